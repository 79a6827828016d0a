"""The official Python client, unmodified, with stdio servers: behind a gate over HTTP, through
`portreeve stdio`, and through `portreeve wrap`. CircleCI's real server is among them, under the policy of
examples/policies/circleci-reruns; what counts there is what reaches the stand-in for CircleCI.

usage: python stdio_client.py GATE_URL TOKEN_PREFIX PORTREEVE_BINARY WORK_FOLDER STAND_IN_URL
"""

import asyncio
import json
import os
import re
import sys
import urllib.request
import uuid
from pathlib import Path

import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

GATE, PREFIX, BINARY, WORK, STAND_IN = sys.argv[1:6]
COMMANDS = json.loads((Path(WORK) / "commands.json").read_text())
WRAPS = json.loads((Path(WORK) / "wraps.json").read_text())


def over_http(mode: str, server: str):
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {PREFIX}-py-{mode}"})
    return streamable_http_client(f"{GATE}/mcp/{server}", http_client=http)


def process(args: list[str], env: dict[str, str]):
    parameters = StdioServerParameters(command=BINARY, args=args, env=env)
    return stdio_client(parameters, errlog=open(os.devnull, "w"))


def through_stdio(mode: str, server: str):
    env = {"PORTREEVE_TOKEN": f"{PREFIX}-py-{mode}-lines"}
    return process(["stdio", "--server", server, "--url", GATE], env)


def through_wrap(mode: str, server: str):
    place = ["--label", f"{server}-{mode}", "--data-dir", f"{WORK}/wrapped-py"]
    return process(["wrap", *WRAPS[server], *place, "--", *COMMANDS[server]], {"PATH": os.environ["PATH"]})


async def files(client: mcp.Client) -> None:
    read = await client.call_tool("read_text_file", {"path": f"{WORK}/files/a.txt"})
    assert "a file" in read.content[0].text, read


async def memory(client: mcp.Client) -> None:
    assert not (await client.call_tool("read_graph", {})).is_error


async def every(client: mcp.Client) -> None:
    echoed = await client.call_tool("echo", {"message": "grüße 🚢"})
    assert "grüße 🚢" in echoed.content[0].text, echoed
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    await client.call_tool(
        "trigger-long-running-operation", {"duration": 1, "steps": 3}, progress_callback=on_progress
    )
    assert steps and steps[-1] == 3, steps


async def git(client: mcp.Client) -> None:
    status = await client.call_tool("git_status", {"repo_path": f"{WORK}/repository"})
    assert "branch" in status.content[0].text, status


async def time(client: mcp.Client) -> None:
    now = await client.call_tool("get_current_time", {"timezone": "UTC"})
    assert "UTC" in now.content[0].text, now


async def demo(client: mcp.Client) -> None:
    names = [tool.name for tool in (await client.list_tools()).tools]
    assert "list_runs" in names, names


def reached_circleci() -> list[str]:
    with urllib.request.urlopen(f"{STAND_IN}/asked") as answer:
        asked = json.load(answer)
    return [f"{one['method']} {one['path']}" for one in asked if one["token"] == "guarded"]


async def circleci(client: mcp.Client) -> None:
    workflow, by_url = str(uuid.uuid4()), str(uuid.uuid4())

    async def rerun(**params: str):
        return await client.call_tool("rerun_workflow", {"params": params})

    async def refused(rule: str, **params: str) -> None:
        answer = await rerun(**params)
        assert answer.is_error and answer.content[0].text.startswith("[POLICY DENIED]"), answer
        decision = answer.meta["portreeve/decision"]
        assert decision["rule"] == f"/tools/rerun_workflow/{rule}", decision

    url = f"https://app.circleci.com/pipelines/gh/acme/shop/7/workflows/{by_url}"
    await refused("require/0", workflowId="../project/gh/acme/shop")
    await refused("deny_if/0", workflowURL=url)
    await refused("deny_if/0", workflowId=workflow, workflowURL=url)
    for _ in range(10):
        answer = await rerun(workflowId=workflow)
        assert not answer.is_error and "New workflowId is" in answer.content[0].text, answer
    await refused("limits/0", workflowId=workflow)
    asked = await asyncio.to_thread(reached_circleci)
    reruns = [one for one in asked if workflow in one and one.startswith("POST")]
    assert reruns == [f"POST /api/v2/workflow/{workflow}/rerun"] * 10, reruns
    ordinary = re.compile(r"\S+ /api/v2/workflow/[0-9a-f-]{36}(/rerun)?")
    assert all(ordinary.fullmatch(one) and by_url not in one for one in asked), asked


async def one(way, use, mode: str) -> None:
    async with mcp.Client(way(mode, use.__name__), mode=mode) as client:
        await use(client)


async def main() -> int:
    passed = failed = 0
    for mode in ("legacy", "auto"):
        for way in (over_http, through_stdio, through_wrap):
            for use in (files, memory, every, git, time, demo, circleci):
                name = f"py-{mode} {use.__name__} {way.__name__}"
                try:
                    await asyncio.wait_for(one(way, use, mode), 60)
                except BaseException as error:  # noqa: BLE001 -- every failure is told and counted
                    failed += 1
                    print(f"FAILED {name}: {error!r}")
                else:
                    passed += 1
                    print(f"ok {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
