"""What must survive: kill -9 under load, many times, and a large book.

usage: python3 run.py PORTREEVE_BINARY [FILL_LEDGER_BINARY] [--rounds N] [--seed N]

Checks, after every kill: each call that reached the server has its begin record; the chain
verifies; and over all rounds together exactly as many calls were admitted as the limit allows, so
no charge was forgotten and none was invented. Then, with a book of a million records: it starts, it
verifies, and how long a start took is printed (a measurement, not a judgement).
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOKEN = "survival-test-token-0123456789-abcdef"
MAX = 4_000
passed = failed = 0


def check(name: str, ok: bool, detail: str = "") -> None:
    global passed, failed
    passed, failed = passed + ok, failed + (not ok)
    print(f"{'ok' if ok else 'FAILED'} {name}{': ' + detail if detail else ''}", flush=True)


class Server:
    """An MCP server that remembers which calls reached it."""

    def __init__(self) -> None:
        self.reached: list[int] = []
        self.port = 0

    async def start(self) -> None:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                message = json.loads(await reader.readexactly(length) or b"{}")
                status, body = "200 OK", b""
                match message.get("method"):
                    case "initialize":
                        version = message["params"]["protocolVersion"]
                        body = self.result(message, {"protocolVersion": version, "capabilities": {}})
                    case "tools/list":
                        tool = {"name": "t", "inputSchema": {"type": "object"}}
                        body = self.result(message, {"tools": [tool]})
                    case "tools/call":
                        self.reached.append(message["params"]["arguments"]["n"])
                        await asyncio.sleep(random.random() * 0.01)
                        body = self.result(message, {"content": []})
                    case _:
                        status = "202 Accepted"
                writer.write(
                    f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(body)}\r\n\r\n".encode() + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    def result(message: dict, result: dict) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()


class Gate:
    def __init__(self, binary: str, work: Path, upstream: int) -> None:
        self.binary, self.data = binary, work / "data"
        self.port = free_port()
        self.config = work / "portreeve.toml"
        policy = {
            "version": "1",
            "default": "deny",
            "tools": {"t": {"limits": [{"counter": "c", "window": "day", "max": MAX}]}},
        }
        self.config.write_text(
            f"""listen = "127.0.0.1:{self.port}"
[ledger]
arguments = "values"
[servers.s]
url = "http://127.0.0.1:{upstream}/mcp"
[policies.p]
inline = '{json.dumps(policy)}'
[[grants]]
label = "survivor"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
servers = {{ s = "p" }}
"""
        )
        self.process: subprocess.Popen | None = None

    async def start(self) -> float:
        """Starts it; returns the seconds until it was ready."""
        log = open(self.data.parent / "gate.log", "ab")
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "up", "--config", self.config, "--data-dir", self.data],
            stdout=log, stderr=log,
        )
        while time.monotonic() - begun < 30:
            if self.process.poll() is not None:
                raise RuntimeError(Path(log.name).read_text()[-2000:])
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
                if answer.startswith(b"HTTP/1.1 200"):
                    return time.monotonic() - begun
            except ConnectionError:
                pass
            await asyncio.sleep(0.002)
        raise RuntimeError("the gate is not ready after 30 s")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def records(self) -> list[dict]:
        out = []
        for segment in sorted((self.data / "ledger").glob("*.jsonl")):
            if segment.name == "retired.jsonl":
                continue
            for line in segment.read_bytes().split(b"\n"):
                if line.endswith(b"}"):
                    out.append(json.loads(line))
        return out

    def verify(self) -> subprocess.CompletedProcess:
        command = [self.binary, "ledger", "verify", "--data-dir", self.data]
        return subprocess.run(command, capture_output=True, text=True)


def free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Load:
    """Clients that call without pause, each with a number of its own."""

    def __init__(self, port: int) -> None:
        self.port, self.next, self.denied, self.answered = port, 0, 0, 0

    async def client(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                while not stop.is_set():
                    await self.call(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.005)

    async def call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.next += 1
        params = {"name": "t", "arguments": {"n": self.next}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        body = json.dumps(message).encode()
        writer.write(
            f"POST /mcp/s HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {TOKEN}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        answer = await reader.readexactly(length)
        self.answered += 1
        self.denied += b"[POLICY DENIED]" in answer


async def kills(binary: str, rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as work:
        server = Server()
        await server.start()
        gate = Gate(binary, Path(work), server.port)
        load = Load(gate.port)
        for _ in range(rounds):
            await gate.start()
            stop = asyncio.Event()
            clients = [asyncio.create_task(load.client(stop)) for _ in range(16)]
            await asyncio.sleep(0.05 + dice.random() * 0.5)
            gate.kill()
            stop.set()
            await asyncio.gather(*clients)
            begun = {r["arguments"]["n"] for r in gate.records() if "charges" in r}
            missing = set(server.reached) - begun
            if missing:
                check("every forwarded call has its begin record", False, f"{sorted(missing)[:5]}")
                return
        check("every forwarded call has its begin record", True, f"{rounds} kills")
        await gate.start()
        stop = asyncio.Event()
        clients = [asyncio.create_task(load.client(stop)) for _ in range(16)]
        denied = load.denied
        for _ in range(6_000):
            await asyncio.sleep(0.01)
            if load.denied > denied + 200:
                break
        stop.set()
        await asyncio.gather(*clients)
        gate.stop()
        records = gate.records()
        charged = sum(1 for r in records if "charges" in r)
        back = sum(1 for r in records if r.get("refunded"))
        check("the limit was reached in the end", load.denied > denied)
        check("no charge was forgotten and none invented", charged - back == MAX,
              f"{charged} begun, {back} given back, limit {MAX}")
        check("the server was reached no more often than charged", len(server.reached) <= MAX,
              f"{len(server.reached)}")
        ended = {r["call_id"] for r in records if r["phase"] == "finish"}
        unknown = sum(1 for r in records if r["phase"] == "begin" and r["call_id"] not in ended)
        check("kills leave calls whose end is unknown", unknown > 0, f"{unknown} of {charged}")
        verdict = gate.verify()
        check("the chain verifies", verdict.returncode == 0, verdict.stdout + verdict.stderr)


async def large_book(binary: str, fill: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        server = Server()
        await server.start()
        gate = Gate(binary, Path(work), server.port)
        cold = await gate.start()
        gate.stop()
        print(f"measured: cold start to ready {cold * 1000:.0f} ms")
        subprocess.run([fill, gate.data, "1000000"], check=True)
        without = await gate.start()
        gate.kill()
        print(f"measured: start after 1,000,000 records without a snapshot {without:.2f} s")
        await gate.start()
        load, stop = Load(gate.port), asyncio.Event()
        clients = [asyncio.create_task(load.client(stop)) for _ in range(4)]
        await asyncio.sleep(11)  # A snapshot is written every ten seconds.
        gate.kill()
        stop.set()
        await asyncio.gather(*clients)
        killed = await gate.start()
        gate.stop()
        stopped = await gate.start()
        gate.stop()
        print(f"measured: start after kill -9 {killed:.2f} s, after a stop {stopped:.2f} s")
        check("a book of a million records starts", True)
        begun = time.monotonic()
        verdict = gate.verify()
        check("a book of a million records verifies", verdict.returncode == 0,
              f"{time.monotonic() - begun:.1f} s; {verdict.stdout.splitlines()[:1]}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("fill", nargs="?")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    binary = str(Path(args.binary).resolve())
    print(f"seed {args.seed}")
    asyncio.run(kills(binary, args.rounds, args.seed))
    if args.fill:
        asyncio.run(large_book(binary, str(Path(args.fill).resolve())))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
