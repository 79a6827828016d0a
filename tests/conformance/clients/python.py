"""A client of the suite's, on the Python SDK: it uses all that a server has.

usage: python.py URL, with the suite's own environment
"""

import asyncio
import json
import os
import sys
from typing import Any

import mcp
from mcp import types

REVISION = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
CALLS = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")).get("toolCalls")
VALUES = {"number": 5, "integer": 5, "string": "five", "boolean": True}


async def accept(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    fields = params.requested_schema.get("properties", {})
    entered = {name: field["default"] for name, field in fields.items() if "default" in field}
    return types.ElicitResult(action="accept", content=entered)


def given(tool: types.Tool, tools: list[types.Tool]) -> dict[str, Any]:
    """Arguments for a tool: a value for each that is required."""
    schema = tool.input_schema
    fields = schema.get("properties", {})
    return {
        name: tools[0].input_schema if name == "schema" else VALUES.get(fields.get(name, {}).get("type"))
        for name in schema.get("required", [])
    }


async def use(what: str, using: Any) -> None:
    """One refusal is no end: the next use may be what the scenario is about."""
    try:
        await using
    except Exception as error:  # noqa: BLE001
        print(f"{what}: {error!r}", file=sys.stderr)


async def main(url: str) -> None:
    mode = "auto" if REVISION >= "2026-07-28" else "legacy"
    async with mcp.Client(url, mode=mode, elicitation_callback=accept) as client:
        tools = (await client.list_tools()).tools
        calls = CALLS or [{"name": tool.name, "arguments": given(tool, tools)} for tool in tools]
        for call in calls:
            await use(call["name"], client.call_tool(call["name"], call["arguments"]))
        has = client.server_capabilities
        if has.resources is not None:
            for resource in (await client.list_resources()).resources:
                await use(str(resource.uri), client.read_resource(resource.uri))
        if has.prompts is not None:
            for prompt in (await client.list_prompts()).prompts:
                await use(prompt.name, client.get_prompt(prompt.name))


asyncio.run(main(sys.argv[1]))
