"""The official Python client: does what the matrix asks and says what it saw. It judges nothing.

usage: python agent.py facts    what this SDK is and can
       python agent.py matrix   jobs on stdin, one JSON array; what was seen on stdout, as lines
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
import traceback
from typing import Any

import mcp
from mcp import types
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

AT_ONCE = 4


def tell(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def transport(job: dict[str, Any]):
    headers = {"Authorization": f"Bearer {job.get('token')}"}
    if job["transport"] == "http":
        return streamable_http_client(job["url"], http_client=create_mcp_http_client(headers=headers))
    if job["transport"] == "sse":
        return sse_client(job["url"], headers=headers)
    command, *args = job["command"]
    return stdio_client(StdioServerParameters(command=command, args=args, env=job["env"]))


def said(answer: types.CallToolResult) -> str:
    if answer.is_error:
        raise RuntimeError(f"an error as result: {answer}")
    return "\n".join(part.text for part in answer.content)


class Agent:
    """One connection, and what was asked of this client on it."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.asked: dict[str, Any] = {}
        self.client = mcp.Client(
            transport(job),
            mode="2026-07-28" if job["era"] == "modern" else "legacy",
            sampling_callback=self.sample,
            elicitation_callback=self.elicit,
            read_timeout_seconds=15,
        )

    async def sample(self, _context: Any, params: types.CreateMessageRequestParams):
        prompt = params.messages[0].content.text
        self.asked["sampling"] = prompt
        content = types.TextContent(type="text", text=f"heard: {prompt}")
        return types.CreateMessageResult(role="assistant", content=content, model="none")

    async def elicit(self, _context: Any, params: types.ElicitRequestParams):
        self.asked["elicitation"] = [params.message, *params.requested_schema["properties"]]
        return types.ElicitResult(action="accept", content={"username": "ole", "email": "ole@example.com"})

    async def ask(self, name: str, given: dict[str, Any], **options: Any) -> str:
        return said(await self.client.call_tool(f"{self.job['prefix']}{name}", given, **options))

    async def era(self) -> str:
        return self.client.protocol_version

    async def list(self) -> list[str]:
        names: list[str] = []
        page = await self.client.list_tools()
        names += [tool.name for tool in page.tools]
        while page.next_cursor is not None:
            page = await self.client.list_tools(cursor=page.next_cursor)
            names += [tool.name for tool in page.tools]
        return names

    async def call(self) -> str:
        return await self.ask("test_simple_text", {})

    async def progress(self) -> list[Any]:
        steps: list[Any] = []

        async def step(progress: float, total: float | None, message: str | None) -> None:
            steps.append([progress, total, message])

        await self.ask("test_tool_with_progress", {}, progress_callback=step)
        return steps

    async def cancel(self) -> dict[str, str]:
        begun = asyncio.Event()

        async def step(*_: Any) -> None:
            begun.set()

        given = {"label": self.job["id"]}
        running = asyncio.create_task(self.ask("test_cancellation", given, progress_callback=step))
        begins = asyncio.create_task(begun.wait())
        await asyncio.wait({running, begins}, return_when=asyncio.FIRST_COMPLETED)
        begins.cancel()
        if not begun.is_set():
            return {"ended": f"failed before it was cancelled: {running.exception()!r}", "server": ""}
        running.cancel()
        try:
            await running
            ended = "answered"
        except asyncio.CancelledError:
            ended = "ended"
        return {"ended": ended, "server": await self.ask("test_given_up", given)}

    async def sampling(self) -> dict[str, Any]:
        answer = await self.ask("test_sampling", {"prompt": "grüße 🚢"})
        return {"asked": self.asked.get("sampling"), "said": answer}

    async def elicitation(self) -> dict[str, Any]:
        answer = await self.ask("test_elicitation", {"message": "Who is there?"})
        return {"asked": self.asked.get("elicitation"), "said": answer}


FEATURES = (Agent.era, Agent.list, Agent.call, Agent.progress, Agent.cancel, Agent.sampling, Agent.elicitation)


async def run(job: dict[str, Any]) -> None:
    connected = False
    try:
        agent = Agent(job)
        async with agent.client:
            connected = True
            for use in FEATURES:
                try:
                    seen = await asyncio.wait_for(use(agent), 20)
                    tell({"id": job["id"], "feature": use.__name__, "seen": seen})
                except Exception:  # noqa: BLE001 -- every failure is told, and judged elsewhere
                    tell({"id": job["id"], "feature": use.__name__, "failed": traceback.format_exc()})
    except BaseException:  # noqa: BLE001
        tell({"id": job["id"], "feature": "close" if connected else "connect", "failed": traceback.format_exc()})


async def main() -> None:
    jobs = json.load(sys.stdin)

    async def work() -> None:
        while jobs:
            await run(jobs.pop(0))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


if sys.argv[1:] == ["facts"]:
    name = f"mcp {importlib.metadata.version('mcp')}"
    revisions = [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS]
    tell({"name": name, "revisions": revisions, "transports": ["http", "sse", "stdio"]})
else:
    asyncio.run(main())
