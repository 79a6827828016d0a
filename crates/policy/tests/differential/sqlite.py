"""Says for every line (a JSON string of SQL) what SQLite itself does with it.

The authorizer sees every action that a statement was compiled to, so nothing is guessed from the
text. What is answered: the error, if there is one; the actions beyond reading; the functions.
"""
import json
import sqlite3
import sys

READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
# Pragmas that only look whatever their argument is, and those that act without one.
LOOKS = {
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo",
    "integrity_check", "quick_check", "table_info", "table_list", "table_xinfo",
}
ACTS = {"incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint"}
SCHEMA = """
create table t (id integer primary key, a, b, c, d, name text);
create table u (id integer primary key, a, b, total, user_id);
create table users (id integer primary key, name text);
insert into t (a, b, name) values (1, 2, 'x'), (3, 4, 'y');
insert into u (a, b) values (1, 2);
create view v as select a from t;
"""


class Judge:
    def __init__(self):
        self.base = sqlite3.connect(":memory:", isolation_level=None)
        self.base.executescript(SCHEMA)
        self.image = self.base.serialize()

    def run(self, text):
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(self.image)
        actions, functions = set(), set()

        def authorize(action, first, second, *_):
            if action == sqlite3.SQLITE_FUNCTION:
                functions.add(second.lower())
            # A function that returns rows is declared like a table; the image below must agree.
            declares = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
            if action == sqlite3.SQLITE_PRAGMA:
                reads = first.lower() in LOOKS or (second is None and first.lower() not in ACTS)
            else:
                reads = action in READS or declares
            if not reads:
                actions.add(f"{action} {first}")
            # Other databases are files of this machine: noted, but not opened.
            return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK

        connection.set_authorizer(authorize)
        steps = [0]

        def too_long():
            steps[0] += 1
            return steps[0] > 200

        connection.set_progress_handler(too_long, 1000)
        error = None
        try:
            connection.executescript(text)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as e:
            error = str(e)
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
        if connection.in_transaction:
            actions.add("left a transaction open")
            connection.rollback()
        if connection.total_changes or connection.serialize() != self.image:
            actions.add("changed the database")
        connection.close()
        return {"error": error, "actions": sorted(actions), "functions": sorted(functions)}


judge = Judge()
for line in sys.stdin:
    print(json.dumps(judge.run(json.loads(line))), flush=True)
