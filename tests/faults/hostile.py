"""Clients that take and do not give: ten thousand streams, answers that nobody reads, endless
reconnecting. The gate is to keep its memory and to answer everybody else meanwhile."""

import asyncio
import json
import resource

from agents import Connection

STREAMS = 10_000
# What the gate may take with 10,000 connections open at once, some 25 KB each.
MAX_RSS_MB = 384
MAX_SESSION_KIB = 10


async def run(port: int, token: str, server, check, rss_mb) -> float:
    """Each kind of client in turn; returns the most memory that was seen."""
    most = [rss_mb()]

    async def look() -> None:
        while True:
            most[0] = max(most[0], rss_mb())
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    server.rudeness = 0.0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    each = await idle_sessions(port, token, rss_mb)
    check("a session that lies idle takes little", each < MAX_SESSION_KIB, f"{each:.1f} KiB")
    for peer in (many_streams, never_reads, reconnects):
        words = await peer(port, token)
        check(f"a client that {peer.__doc__} keeps nobody else waiting", await answers(port, token), words)
        check(f"a client that {peer.__doc__} takes no memory", most[0] < MAX_RSS_MB, f"{most[0]:.0f} MB")
    looking.cancel()
    return most[0]


async def idle_sessions(port: int, token: str, rss_mb) -> float:
    """How many KiB a session takes that made some calls and then nothing."""
    way, before, count = Connection(port, token), 0.0, 800

    async def asked(message: dict, session: str | None) -> str | None:
        status, headers = await way.send("POST", "/mcp/faulty", json.dumps(message).encode(), session)
        await way.body(headers)
        return headers.get("mcp-session-id")

    for n in range(100 + count):
        if n == 100:
            # What the first ones took for all is there.
            before = rss_mb()
        session = await asked({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "idle", "version": "1"}}}, None)
        for id in range(1, 4):
            await asked({"jsonrpc": "2.0", "id": id, "method": "tools/list"}, session)
    way.close()
    return (rss_mb() - before) * 1024 / count


async def answers(port: int, token: str) -> bool:
    """Whether an ordinary call is answered: at once, or after a moment if it came too early."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for _ in range(40):
        way = Connection(port, token)
        try:
            async with asyncio.timeout(5):
                status, headers = await way.send("POST", "/mcp/faulty", json.dumps(call).encode())
                if status == 200 and json.loads(await way.body(headers)).get("result"):
                    return True
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            way.close()
        await asyncio.sleep(0.25)
    return False


async def many_streams(port: int, token: str) -> str:
    """opens 10,000 streams"""
    ways, statuses = [], {}

    async def one() -> None:
        way = Connection(port, token)
        ways.append(way)
        try:
            async with asyncio.timeout(20):
                status, _ = await way.send("GET", "/mcp/faulty")
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            status = type(error).__name__
        statuses[status] = statuses.get(status, 0) + 1

    for _ in range(STREAMS // 200):
        await asyncio.gather(*(one() for _ in range(200)))
    for way in ways:
        way.close()
    return str(statuses)


async def never_reads(port: int, token: str) -> str:
    """never reads its answers"""
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    request = (
        f"POST /mcp/faulty HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(asked)}\r\n\r\n").encode() + asked
    writers = []
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.transport.pause_reading()
        writer.write(request * 200)
        writers.append(writer)
    await asyncio.sleep(3)
    for writer in writers:
        writer.transport.abort()
    return "100 connections with 200 requests each"


async def reconnects(port: int, token: str) -> str:
    """reconnects in a loop"""
    count = 0
    until = asyncio.get_running_loop().time() + 3

    async def loop() -> None:
        nonlocal count
        while asyncio.get_running_loop().time() < until:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"POST /mcp/faulty HTTP/1.1\r\nhost: x\r\n")
                writer.transport.abort()
            except OSError:
                await asyncio.sleep(0.01)
            count += 1

    await asyncio.gather(*(loop() for _ in range(20)))
    return f"{count} connections"
