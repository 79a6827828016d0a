"""An MCP server over HTTP that fails on request: a call says in its arguments what is to go wrong.

    {"n": 17, "answer": "json" | "stream" | "large" | "asks", "fault": HOW, "at": 0.0 to 1.0}

`at` is the part of the answer's bytes that is written before the fault. What no call can say, such as
a connection that breaks before its request is read, happens by the dice of a seed.
"""

import asyncio
import json
import random
import socket
import struct
import uuid

# Faults after a part of the answer; `slow` is none: the answer comes whole, in small pieces.
CUTS = ("close", "reset", "stall", "slow")
# Answers that are whole and wrong.
NONSENSE = ("garbage", "foreign_id", "twice", "no_utf8", "html", "error_500", "flood", "both", "extra")
TOOL = {"name": "t", "inputSchema": {"type": "object"}}
LARGE = "x" * 100_000


class Gone(Exception):
    """The connection is to end here."""


class FaultyServer:
    def __init__(self, seed: int, rudeness: float = 0.01) -> None:
        self.dice = random.Random(seed)
        self.rudeness = rudeness
        self.reached: set[int] = set()
        self.sessions: set[str] = set()
        self.questions: dict[str, asyncio.Future] = {}
        self.open = 0
        self.port = 0

    async def start(self) -> None:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                if self.dice.random() < self.rudeness:
                    raise Gone
                await self.exchange(reader, writer)
        except (Gone, asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method = head[0].split(" ")[0]
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        length = int(headers.get("content-length", 0))
        if self.dice.random() < self.rudeness:
            await reader.readexactly(length // 2)
            reset(writer)
            raise Gone
        body = await reader.readexactly(length)
        session = headers.get("mcp-session-id")
        if session and session not in self.sessions:
            return await plain(writer, "404 Not Found")
        if method == "DELETE":
            self.sessions.discard(session)
            return await plain(writer, "204 No Content")
        if method == "GET":
            return await self.free_stream(reader, writer)
        await self.message(json.loads(body), session, (reader, writer))

    async def free_stream(self, reader, writer) -> None:
        writer.write(STREAM_HEAD)
        note = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        for _ in range(self.dice.randrange(40)):
            await self.pause(reader, self.dice.random() * 0.2)
            writer.write(chunk(event(note)))
            await writer.drain()
        if self.dice.random() < 0.5:
            reset(writer)
        raise Gone

    async def message(self, message: dict, session: str | None, way) -> None:
        _, writer = way
        match message.get("method"):
            case "initialize":
                session = uuid.UUID(int=self.dice.getrandbits(128)).hex
                self.sessions.add(session)
                result = {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "faulty", "version": "1"},
                }
                await plain(writer, "200 OK", answer(message, result), f"mcp-session-id: {session}\r\n")
            case "tools/list":
                await plain(writer, "200 OK", answer(message, {"tools": [TOOL]}))
            case "tools/call":
                await self.call(message, session, way)
            case None:
                asked = self.questions.pop(str(message.get("id")), None)
                if asked and not asked.done():
                    asked.set_result(message)
                await plain(writer, "202 Accepted")
            case _ if "id" in message:
                await plain(writer, "200 OK", answer(message, {}))
            case _:
                await plain(writer, "202 Accepted")

    async def call(self, message: dict, session: str | None, way) -> None:
        reader, writer = way
        wish = message["params"]["arguments"]
        self.reached.add(wish["n"])
        if session and self.dice.random() < 0.01:
            self.sessions.discard(session)
        fault, at = wish.get("fault"), wish.get("at", 1.0)
        if fault in NONSENSE:
            return await nonsense(writer, message, fault)
        if wish["answer"] == "asks":
            return await self.ask(message, way)
        whole = self.whole(message, wish["answer"])
        before, after = whole[: int(len(whole) * at)], whole[int(len(whole) * at) :]
        writer.write(before)
        await writer.drain()
        match fault:
            case None:
                writer.write(after)
            case "slow":
                for begin in range(0, len(after), len(after) // 8 + 1):
                    writer.write(after[begin : begin + len(after) // 8 + 1])
                    await writer.drain()
                    await asyncio.sleep(0.02)
            case "close":
                raise Gone
            case "reset":
                reset(writer)
                raise Gone
            case "stall":
                await self.pause(reader, 30)
                raise Gone
        await writer.drain()

    def whole(self, message: dict, kind: str) -> bytes:
        result = {"content": [{"type": "text", "text": LARGE if kind == "large" else "ok"}]}
        result["structuredContent"] = {"n": message["params"]["arguments"]["n"]}
        if kind != "stream":
            body = answer(message, result)
            return f"HTTP/1.1 200 OK\r\n{JSON}content-length: {len(body)}\r\n\r\n".encode() + body
        token = message["params"].get("_meta", {}).get("progressToken")
        told = [
            {"jsonrpc": "2.0", "method": "notifications/progress",
             "params": {"progressToken": token, "progress": step}}
            for step in range(3 if token is not None else 0)
        ]
        told.append(json.loads(answer(message, result)))
        return STREAM_HEAD + b"".join(chunk(event(m)) for m in told) + b"0\r\n\r\n"

    async def ask(self, message: dict, way) -> None:
        """Asks the client something in the middle of a call."""
        reader, writer = way
        name = f"q{message['params']['arguments']['n']}"
        asked = self.questions[name] = asyncio.get_running_loop().create_future()
        question = {"jsonrpc": "2.0", "id": name, "method": "elicitation/create",
                    "params": {"message": "which?", "requestedSchema": {"type": "object", "properties": {}}}}
        writer.write(STREAM_HEAD + chunk(event(question)))
        try:
            said = await asyncio.wait_for(asked, 10)
        except TimeoutError:
            raise Gone from None
        finally:
            self.questions.pop(name, None)
        result = {"content": [], "structuredContent": {"n": message["params"]["arguments"]["n"],
                                                       "said": said.get("result")}}
        writer.write(chunk(event(json.loads(answer(message, result)))) + b"0\r\n\r\n")
        await writer.drain()

    @staticmethod
    async def pause(reader: asyncio.StreamReader, seconds: float) -> None:
        """Waits, but not for a peer that has gone away."""
        try:
            if not await asyncio.wait_for(reader.read(1), seconds):
                raise Gone
        except TimeoutError:
            pass


JSON = "content-type: application/json\r\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def answer(message: dict, result: dict) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()


def event(message: dict) -> bytes:
    return b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with RST."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def plain(writer, status: str, body: bytes = b"", more: str = "") -> None:
    kind = JSON if body else ""
    writer.write(f"HTTP/1.1 {status}\r\n{kind}{more}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


async def nonsense(writer, message: dict, fault: str) -> None:
    good = answer(message, {"content": []})
    match fault:
        case "garbage":
            await plain(writer, "200 OK", b"}{ nonsense")
        case "foreign_id":
            await plain(writer, "200 OK", answer({"id": "somebody else's"}, {"content": []}))
        case "twice":
            await plain(writer, "200 OK", good[:-1] + b',"result":{"content":[]}}')
        case "no_utf8":
            await plain(writer, "200 OK", good[:-2] + b',"x":"\xff\xc3"}}')
        case "html":
            body = b"<html>gateway timeout</html>"
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
        case "error_500":
            await plain(writer, "500 Internal Server Error")
        case "both":
            await plain(writer, "200 OK", good[:-1] + b',"error":{"code":1,"message":"x"}}')
        case "extra":
            writer.write(STREAM_HEAD + chunk(event(json.loads(answer({"id": "unasked"}, {})))))
            writer.write(chunk(b"data: nonsense\n\n") + b"0\r\n\r\n")
            await writer.drain()
        case "flood":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
            try:
                for _ in range(1024):
                    writer.write(b"x" * (1 << 20))
                    await writer.drain()
            except ConnectionError:
                pass
            raise Gone
