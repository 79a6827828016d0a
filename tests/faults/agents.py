"""Agents that call through the gate and hold it to its word.

Whatever the server does, each request is answered in the protocol's form before the deadline. What an
agent learned of each call is kept, to be compared with the ledger and with the server.
"""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

from faulty import CUTS, NONSENSE

# The gate waits one second for a server (see run.py); an agent waits for the gate a little longer.
DEADLINE = 8.0
# How many calls of one key the policy lets through.
PER_KEY = 24


@dataclass
class Call:
    """One call as its agent saw it."""

    n: int
    key: str
    wish: dict
    # "ok", "failed", "not sent", "denied", "left" (the agent went away), "no session"
    outcome: str = "open"
    words: str = ""
    took: float = 0.0


@dataclass
class Findings:
    calls: dict[int, Call] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    keys_probed: int = 0
    answers: int = 0

    def complain(self, what: str) -> None:
        if len(self.wrong) < 50:
            self.wrong.append(what)


class Connection:
    """One HTTP/1.1 connection, opened anew when it broke."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, body: bytes = b"", session: str | None = None) -> tuple[int, dict]:
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        more = f"mcp-session-id: {session}\r\n" if session else ""
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{more}"
            f"authorization: Bearer {self.token}\r\naccept: application/json, text/event-stream\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        return int(head[0].split(" ")[1]), headers

    async def body(self, headers: dict) -> bytes:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if "transfer-encoding" not in headers:
            return b""
        whole = b""
        while piece := await self.chunk():
            whole += piece
        return whole

    async def chunk(self) -> bytes:
        length = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(length)
        await self.reader.readexactly(2)
        return data

    async def events(self, headers: dict):
        """The messages of a stream, as they come."""
        pending = b""
        while piece := await self.chunk():
            pending += piece
            while b"\n\n" in pending:
                one, pending = pending.split(b"\n\n", 1)
                data = b"\n".join(l[5:].strip() for l in one.split(b"\n") if l.startswith(b"data:"))
                if data:
                    yield json.loads(data)

    def close(self) -> None:
        if self.writer:
            self.writer.transport.abort()
            self.writer = None


class Agent:
    def __init__(self, name: str, way: tuple[int, str, str], seed: int, findings: Findings, numbers, pause) -> None:
        self.port, self.token, self.server = way
        self.name, self.findings, self.numbers, self.pause = name, findings, numbers, pause
        self.dice = random.Random(seed)
        self.path = f"/mcp/{self.server}"
        self.way = Connection(self.port, self.token)
        self.session: str | None = None
        self.keys = 0

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                await self.life(until)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                # The gate itself stays up, so it ends no connection under a request.
                self.findings.complain(f"{self.name}: the gate broke the connection: {error!r}")
                self.way.close()
                await asyncio.sleep(0.1)
        await self.leave()

    async def life(self, until: float) -> None:
        """One session, or a time without one, with a key of its own whose charges are counted."""
        self.session = None
        if self.dice.random() < (0.1 if self.server == "child" else 0.7):
            await self.open()
        listener = None
        if self.session and self.dice.random() < 0.3:
            listener = asyncio.create_task(self.listen(self.session))
        self.keys += 1
        key, made = f"{self.name}-{self.keys}", []
        for _ in range(self.dice.randrange(PER_KEY)):
            if time.monotonic() > until:
                break
            made.append(await self.call(key, self.wish()))
            if self.dice.random() < 0.1:
                await self.other()
            if self.pause or self.dice.random() < 0.1:
                await asyncio.sleep(self.dice.random() * (self.pause or 0.1))
        await self.probe(key, made)
        if listener:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
        await self.leave()

    def wish(self) -> dict:
        wish = {"answer": self.dice.choices(["json", "stream", "large", "asks"], [6, 4, 1, 1])[0]}
        if wish["answer"] == "asks" and (self.session is None or self.server == "child"):
            wish["answer"] = "stream"
        if self.dice.random() < 0.4 and wish["answer"] != "asks":
            nonsense = self.dice.random() < 0.4
            wish["fault"] = self.dice.choice(NONSENSE if nonsense else CUTS)
            if wish["fault"] == "flood" and self.dice.random() < 0.9:
                wish["fault"] = "close"
            wish["at"] = round(self.dice.choice([0.0, 1.0, self.dice.random()]), 3)
        return wish

    async def open(self) -> None:
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": self.name, "version": "1"}}}
        status, headers, message = await self.asked(hello)
        self.session = headers.get("mcp-session-id")
        if self.session:
            await self.asked({"jsonrpc": "2.0", "method": "notifications/initialized"})
        elif "error" not in (message or {}) and status == 200:
            self.findings.complain(f"{self.name}: initialize: {status} {message}")

    async def asked(self, message: dict) -> tuple[int, dict, dict | None]:
        """A request whose answer is not a call's."""
        async with asyncio.timeout(DEADLINE):
            status, headers = await self.way.send("POST", self.path, json.dumps(message).encode(), self.session)
            body = await self.way.body(headers)
        self.findings.answers += 1
        if not body:
            return status, headers, None
        if body.startswith(b"event:"):
            body = body.split(b"data: ")[-1]
        return status, headers, json.loads(body)

    async def other(self) -> None:
        message = {"jsonrpc": "2.0", "id": 1, "method": self.dice.choice(["tools/list", "ping"])}
        status, _, said = await self.asked(message)
        if status == 404:
            self.session = None
        elif not said or said.get("id") != 1 or ("result" in said) == ("error" in said):
            self.findings.complain(f"{self.name}: {message['method']}: {status} {said}")

    async def call(self, key: str, wish: dict) -> Call:
        n = next(self.numbers)
        call = self.findings.calls[n] = Call(n, key, wish)
        params = {"name": "t", "arguments": {"n": n, "key": key, **wish}}
        if wish["answer"] == "stream":
            params["_meta"] = {"progressToken": f"p{n}"}
        message = {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params}
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.patience(wish)):
                await self.follow(call, message)
        except TimeoutError:
            call.outcome = "left"
            self.way.close()
            if time.monotonic() - begun >= DEADLINE and not self.may_wait(wish):
                self.findings.complain(f"call {n} {wish} was not answered within {DEADLINE} s")
        call.took = time.monotonic() - begun
        return call

    def may_wait(self, wish: dict) -> bool:
        """A stream may be silent for long: an agent leaves before its deadline."""
        return wish.get("fault") == "stall" and wish["answer"] == "stream"

    def patience(self, wish: dict) -> float:
        leaves = self.may_wait(wish) or self.dice.random() < 0.02
        return self.dice.random() * 0.5 if self.may_wait(wish) and leaves else DEADLINE

    async def follow(self, call: Call, message: dict) -> None:
        body = json.dumps(message).encode()
        status, headers = await self.way.send("POST", self.path, body, self.session)
        if headers.get("content-type", "").startswith("text/event-stream"):
            answer = None
            async for said in self.way.events(headers):
                if said.get("method") == "elicitation/create" and not await self.reply(said):
                    # The server may not have heard it, and would wait for long.
                    raise TimeoutError
                elif "method" not in said:
                    if answer is not None:
                        self.findings.complain(f"call {call.n}: two answers")
                    answer = said
        else:
            whole = await self.way.body(headers)
            answer = json.loads(whole) if whole else None
        self.findings.answers += 1
        self.judge(call, status, answer)

    async def reply(self, question: dict) -> bool:
        way = Connection(self.port, self.token)
        said = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {}}}
        status, headers = await way.send("POST", self.path, json.dumps(said).encode(), self.session)
        await way.body(headers)
        way.close()
        return status == 202

    def judge(self, call: Call, status: int, answer: dict | None) -> None:
        if status == 404:
            # The server forgot the session; whether it saw the call is not known.
            call.outcome, self.session = "no session", None
            return
        if answer is None or answer.get("jsonrpc") != "2.0" or answer.get("id") != call.n:
            self.findings.complain(f"call {call.n} {call.wish}: HTTP {status}, {answer}")
            call.outcome = "left"
            return
        error, result = answer.get("error"), answer.get("result")
        if error:
            call.outcome = "failed" if error["data"]["may_have_run"] else "not sent"
            call.words = error["message"]
        elif "[POLICY DENIED]" in str(result.get("content")):
            call.outcome = "denied"
        elif result.get("structuredContent", {}).get("n") == call.n or call.wish.get("fault") in NONSENSE:
            call.outcome = "ok"
        else:
            self.findings.complain(f"call {call.n} got another's answer: {answer}"[:300])
        whole = call.wish.get("fault") in (None, "slow")
        if whole and call.outcome == "failed" and self.server == "faulty" and "broke" not in call.words:
            self.findings.complain(f"call {call.n} {call.wish} failed for nothing: {call.words}")

    async def probe(self, key: str, made: list[Call]) -> None:
        """Counts what is left of a key's limit: neither more nor less than was not used."""
        if any(c.outcome in ("left", "open", "no session") for c in made):
            # Their charges are compared with the ledger's in the end.
            return
        used = sum(c.outcome in ("ok", "failed") for c in made)
        left = 0
        while left <= PER_KEY:
            outcome = (await self.call(key, {"answer": "json"})).outcome
            if outcome == "denied":
                break
            if outcome in ("left", "no session"):
                return
            if outcome == "not sent":
                # It cost nothing: the server's process is down, and started again in a while.
                await asyncio.sleep(0.1)
            left += outcome in ("ok", "failed")
        self.findings.keys_probed += 1
        if used + left != PER_KEY:
            self.findings.complain(f"{key}: {used} used and {left} left of {PER_KEY}")

    async def listen(self, session: str) -> None:
        way = Connection(self.port, self.token)
        try:
            status, headers = await way.send("GET", self.path, session=session)
            if status == 200:
                async for _ in way.events(headers):
                    pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            way.close()

    async def leave(self) -> None:
        if self.session and self.dice.random() < 0.9:
            async with asyncio.timeout(DEADLINE):
                _, headers = await self.way.send("DELETE", self.path, session=self.session)
                await self.way.body(headers)
        self.session = None
        if self.dice.random() < 0.3:
            self.way.close()
