"""Says for every line (a JSON string of SQL) what PostgreSQL itself does with it.

Usage: postgres.py SOCKET_DIRECTORY. Speaks the wire protocol, so that the text reaches the server
as one simple query, byte for byte. Each text runs in a transaction that is rolled back. A changed
row, a locked row or a moved sequence takes a transaction id, so having none means none of these;
the locks on tables that planning takes are no harm.
"""
import json
import socket
import struct
import sys

SCHEMA = """
create table t (id serial primary key, a int, b int, c text, d timestamp, name text, tags text[], data jsonb);
create table u (id serial primary key, a int, b int, total numeric, user_id int);
create table users (id serial primary key, name text);
create table "Users" ("Name" text);
insert into t (a, b, name) values (1, 2, 'x'), (3, 4, 'y');
insert into u (a, b) values (1, 2);
create view v as select a from t;
create sequence s;
create function f() returns int language sql as 'insert into u (a) values (7) returning a';
create function f(int) returns int language sql as 'insert into u (a) values (7) returning a';
create procedure p() language sql as 'delete from t';
"""
STATE = """select coalesce(pg_current_xact_id_if_assigned()::text, '') || '|'
 || (select count(*) from pg_locks where pid = pg_backend_pid() and (locktype = 'advisory'
     or mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ExclusiveLock'))) || '|'
 || current_user || '|' || (select count(*) from pg_prepared_statements) || '|'
 || (select count(*) from pg_cursors where name <> '') || '|'
 || (select md5(string_agg(name || setting, ',' order by name)) from pg_settings
     where name not in ('transaction_isolation', 'application_name', 'statement_timeout')) || '|'
 || (select count(*) from pg_listening_channels())"""


class Server:
    def __init__(self, directory, user):
        self.directory = directory
        self.user = user
        self.connect()

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(f"{self.directory}/.s.PGSQL.5432")
        body = struct.pack("!I", 196608) + f"user\0{self.user}\0database\0postgres\0\0".encode()
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self.finish()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def finish(self):
        """Reads up to the next moment of rest: its state, the error, the last row, the tags."""
        error, row, tags = None, None, []
        while True:
            kind, length = struct.unpack("!cI", self.exactly(5))
            body = self.exactly(length - 4)
            if kind == b"E":
                fields = dict((f[:1], f[1:]) for f in body.split(b"\0") if f)
                error = (fields[b"C"] + b" " + fields[b"M"]).decode(errors="replace")
            elif kind == b"D" and body[:2] != b"\0\0":
                row = body[6:].decode(errors="replace")
            elif kind == b"C":
                tags.append(body[:-1].decode())
            elif kind in b"GW":
                self.socket.sendall(b"f" + struct.pack("!I", 5) + b"\0")
            elif kind == b"Z":
                return body.decode(), error, row, tags

    def query(self, text):
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return self.finish()


def run(server, text, before):
    if "\0" in text:
        return {"error": "NUL", "actions": [], "tags": []}
    server.query("begin")
    state, error, _, tags = server.query(text)
    actions = []
    if state == "T":
        server.query("set local statement_timeout = 0")
        after = server.query(STATE)[2]
        if after != before:
            actions.append(f"{before} became {after}")
    elif state == "I":
        actions.append("left the transaction")
    server.query("rollback")
    return {"error": error, "actions": actions, "tags": tags}


# Nobody's user: what a text should do to the server's files or programs is refused.
Server(sys.argv[1], "postgres").query(
    "create role judge login; drop schema public cascade; create schema public authorization judge"
)
server = Server(sys.argv[1], "judge")
server.query(SCHEMA)
server.query("set statement_timeout = 300; set lock_timeout = 300; set client_min_messages = error")
server.query("begin")
before = server.query(STATE)[2]
server.query("rollback")
for line in sys.stdin:
    try:
        answer = run(server, json.loads(line), before)
    except ConnectionError:
        # What ends the server's session is more than reading.
        answer = {"error": "connection", "actions": ["ended the session"], "tags": []}
        server.connect()
    print(json.dumps(answer), flush=True)
