"""The official Python client, unmodified, through a running gate.

usage: python python_client.py GATE_URL TOKEN_PREFIX
Grants are named by mode (`py-legacy`, `py-auto`), so that each has its own limits.
"""

import asyncio
import sys

import mcp
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

GATE, PREFIX = sys.argv[1:3]


def client(mode: str, server: str) -> mcp.Client:
    headers = {"Authorization": f"Bearer {PREFIX}-py-{mode}"}
    http = create_mcp_http_client(headers=headers)
    return mcp.Client(streamable_http_client(f"{GATE}/mcp/{server}", http_client=http), mode=mode)


async def runs(mode: str) -> None:
    async with client(mode, "runs") as session:
        names = [tool.name for tool in (await session.list_tools()).tools]
        assert "run-rerun" in names, names
        assert "delete_run" not in names, "hidden tools are not listed"
        for call in range(10):
            result = await session.call_tool("run-rerun", {"runId": 1})
            assert result.structured_content["status"] == "requested-full", (call, result)
        refused = await session.call_tool("run-rerun", {"runId": 1})
        assert refused.is_error, refused
        assert refused.content[0].text.startswith("[POLICY DENIED] "), refused
        decision = refused.meta["portreeve/decision"]
        assert decision["rule"] == "/tools/run-rerun/limits/0", decision
        assert 0 < decision["retry_after_ms"] <= 60_000, decision
        try:
            await session.call_tool("delete_run", {"runId": 1})
        except mcp.MCPError as error:
            assert "Unknown tool: delete_run" in str(error), error
        else:
            raise AssertionError("a hidden tool was called")


async def everything(mode: str) -> None:
    async with client(mode, "everything") as session:
        tools = (await session.list_tools()).tools
        assert len(tools) >= 5, tools
        echoed = await session.call_tool("echo", {"message": "grüße 🚢"})
        assert "grüße 🚢" in echoed.content[0].text, echoed
        assert (await session.list_prompts()).prompts
        resources = (await session.list_resources()).resources
        assert (await session.read_resource(resources[0].uri)).contents
        steps: list[float] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            steps.append(progress)

        arguments = {"duration": 1, "steps": 3}
        await session.call_tool(
            "trigger-long-running-operation", arguments, progress_callback=on_progress
        )
        assert steps and steps[-1] == 3, steps


async def main() -> int:
    passed = failed = 0
    for mode in ("legacy", "auto"):
        for case in (runs, everything):
            try:
                await asyncio.wait_for(case(mode), 60)
            except BaseException as error:  # noqa: BLE001 -- every failure is told and counted
                failed += 1
                print(f"FAILED py-{mode} {case.__name__}: {error!r}")
            else:
                passed += 1
                print(f"ok py-{mode} {case.__name__}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
