"""An MCP server over stdio that fails on request, as `faulty` does over HTTP."""

import json
import os
import sys
import time


def say(message: dict) -> None:
    out(json.dumps(message).encode() + b"\n")


def out(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def call(message: dict) -> None:
    wish = message["params"]["arguments"]
    with open(sys.argv[1], "a") as reached:
        reached.write(f"{wish['n']}\n")
    line = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {
        "content": [{"type": "text", "text": "x" * (100_000 if wish["answer"] == "large" else 2)}],
        "structuredContent": {"n": wish["n"]}}}).encode() + b"\n"
    token = message["params"].get("_meta", {}).get("progressToken")
    if wish["answer"] == "stream" and token is not None:
        for step in range(3):
            say({"jsonrpc": "2.0", "method": "notifications/progress",
                 "params": {"progressToken": token, "progress": step}})
    match wish.get("fault"):
        case None | "error_500" | "html":
            out(line)
        case "slow":
            for begin in range(0, len(line), len(line) // 8 + 1):
                out(line[begin : begin + len(line) // 8 + 1])
                time.sleep(0.02)
        case "close":
            os._exit(0)
        case "reset":
            out(line[: int(len(line) * wish["at"])])
            os._exit(3)
        case "stall":
            time.sleep(1.5)
        case "garbage" | "extra":
            out(b"}{ noise\nmore noise\n\n" + line)
        case "foreign_id":
            say({"jsonrpc": "2.0", "id": "somebody else's", "result": {}})
            out(line)
        case "twice" | "both":
            out(line + line)
        case "no_utf8":
            out(b"\xff\xc3\n" + line)
        case "flood":
            try:
                while True:
                    out(b"x" * (1 << 20))
            except OSError:
                os._exit(0)


def main() -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        match message.get("method"):
            case "initialize":
                say({"jsonrpc": "2.0", "id": message["id"], "result": {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}}, "serverInfo": {"name": "child", "version": "1"}}})
            case "tools/list":
                say({"jsonrpc": "2.0", "id": message["id"], "result": {
                    "tools": [{"name": "t", "inputSchema": {"type": "object"}}]}})
            case "tools/call":
                call(message)
            case _ if "id" in message:
                say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}})


main()
