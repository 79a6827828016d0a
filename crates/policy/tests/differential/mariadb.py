"""Says for every line (a JSON string of SQL) what MariaDB itself does with it.

Usage: mariadb.py SOCKET. Speaks the wire protocol, with several statements in one text allowed.
The server counts for each session which commands it ran and which rows it wrote, so nothing is
guessed from the text. (Rows that windows update are those of tables made for the query.)
"""
import json
import socket
import struct
import sys

SCHEMA = [
    "drop database if exists d", "create database d", "use d",
    "create table t (id int auto_increment primary key, a int, b int, c text, d datetime, name text) engine=aria",
    "create table u (id int auto_increment primary key, a int, b int, total int, user_id int) engine=aria",
    "create table users (id int auto_increment primary key, name text) engine=aria",
    "insert into t (a, b, name) values (1, 2, 'x'), (3, 4, 'y')",
    "insert into u (a, b) values (1, 2)",
    "create sequence s",
]
LIMITS = "set max_statement_time = 0.3, lock_wait_timeout = 1, default_storage_engine = aria"
READS = {"COM_SELECT", "COM_EMPTY_QUERY", "COM_SHOW_STATUS"}


class Server:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.packet()
        flags = 0x200 | 0x8000 | 0x10000 | 0x20000 | 0x2000 | 0x1
        self.send(struct.pack("<IIB23x", flags, 1 << 24, 45) + b"root\0\0", 1)
        assert self.packet()[0] == 0

    def send(self, body, number=0):
        self.socket.sendall(struct.pack("<I", len(body))[:3] + bytes([number]) + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def packet(self):
        head = self.exactly(4)
        return self.exactly(int.from_bytes(head[:3], "little"))

    def result(self):
        """One result: its error, its rows, and whether another one follows."""
        first = self.packet()
        if first[0] == 0xFF:
            return first[3:].decode(errors="replace"), [], False
        if first[0] == 0x00:
            at = 1
            for _ in range(2):
                at += {0xFC: 3, 0xFD: 4, 0xFE: 9}.get(first[at], 1)
            return None, [], bool(first[at] & 8)
        rows, ends = [], 0
        while ends < 2:
            packet = self.packet()
            if packet[0] == 0xFF:
                return packet[3:].decode(errors="replace"), rows, False
            if packet[0] == 0xFE and len(packet) < 9:
                ends += 1
                more = bool(packet[3] & 8)
            elif ends:
                rows.append(packet)
        return None, rows, more

    def query(self, text):
        self.send(b"\x03" + text.encode())
        error, rows, more = self.result()
        while more and error is None:
            error, rows, more = self.result()
        return error, rows

    def counts(self):
        rows = self.query("show session status where variable_name like 'Com\\_%' or variable_name ="
                          " 'Handler_write'")[1]
        found = {}
        for row in rows:
            name = row[1:1 + row[0]].decode().upper()
            found[name] = int(row[2 + row[0]:])
        return found


def run(path, text):
    server = Server(path)
    server.query("use d")
    server.query(LIMITS)
    before = server.counts()
    error, _ = server.query(text)
    actions = []
    try:
        after = server.counts()
        actions = [n for n, c in after.items() if c != before.get(n, 0) and n not in READS and not n.startswith("COM_SHOW_")]
    except (ConnectionError, OSError):
        actions = ["ended the session"]
    server.socket.close()
    return {"error": error, "actions": actions}


setup = Server(sys.argv[1])
for statement in SCHEMA:
    error, _ = setup.query(statement)
    assert error is None, (statement, error)
for line in sys.stdin:
    text = json.loads(line)
    print(json.dumps(run(sys.argv[1], text)), flush=True)
