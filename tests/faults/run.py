"""Faults at every point of a call, from a seed; for seconds or for hours.

usage: python3 run.py PORTREEVE_BINARY [--seconds 40] [--agents 12] [--pause 0] [--seed N] [--plot FILE.svg]

Agents call through a gate whose servers (one over HTTP, one over stdio) break, stall, lie and flood as
each call asks them to. Checked: each request has an answer in the protocol's form before the deadline;
what an agent was told, what the server saw and what the ledger says agree; charges are neither lost nor
doubled; and in the end no session, connection or process is left and memory is as it was. The gate runs
under a limit of memory.
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hostile
from agents import PER_KEY, Agent, Findings
from faulty import FaultyServer
from plot import plot

TOKEN = "fault-test-token-0123456789-abcdefghij"
# What the gate may take. What servers flood it with is a multiple.
MAX_RSS_MB = 256
passed = failed = 0


def check(name: str, ok: bool, detail: str = "") -> None:
    global passed, failed
    passed, failed = passed + ok, failed + (not ok)
    print(f"{'ok' if ok else 'FAILED'} {name}{': ' + detail if detail else ''}", flush=True)


class Gate:
    def __init__(self, binary: str, work: Path, upstream: int) -> None:
        self.binary, self.work = binary, work
        self.reached = work / "reached"
        self.reached.touch()
        policy = {
            "version": "1", "default": "allow",
            "tools": {"t": {"limits": [
                {"counter": "c", "window": "2m", "max": PER_KEY, "per": "args.key", "max_keys": 100_000}]}},
            "server_requests": {"elicitation": "allow"},
        }
        child = [sys.executable, str(Path(__file__).with_name("child.py")), str(self.reached)]
        (work / "portreeve.toml").write_text(f"""
listen = "127.0.0.1:0"
data_dir = "data"
[ledger]
arguments = "values"
[servers.faulty]
url = "http://127.0.0.1:{upstream}/mcp"
timeout = "1s"
[servers.child]
command = {json.dumps(child)}
timeout = "1s"
[policies.p]
inline = '{json.dumps(policy)}'
[[grants]]
label = "agents"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
servers = {{ faulty = "p", child = "p" }}
""")
        self.process = subprocess.Popen(
            [binary, "up", "--config", "portreeve.toml"], cwd=work, text=True,
            stdout=subprocess.PIPE, stderr=(work / "log").open("w"),
            env={"PATH": os.environ["PATH"], "PORTREEVE_LOG": "error"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)))
        self.port = self.read_port()

    def read_port(self) -> int:
        for line in self.process.stdout:
            if "gateway" in line and "http://" in line:
                return int(line.rsplit(":", 1)[1].split("/")[0])
        raise SystemExit("the gate did not start: " + (self.work / "log").read_text())

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(l.split()[1]) for l in status.splitlines() if l.startswith("VmRSS")) / 1024

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def children(self) -> int:
        """Wardens: each stands for one process of a server."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(len((t / "children").read_text().split()) for t in tasks.iterdir())

    def records(self) -> list[dict]:
        segments = sorted((self.work / "data" / "ledger").glob("*.jsonl"))
        lines = (line for s in segments if s.name != "retired.jsonl" for line in s.open("rb"))
        return [json.loads(line) for line in lines]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Watch:
    """What the gate takes, over time."""

    def __init__(self, gate: Gate, findings: Findings, every: float) -> None:
        self.gate, self.findings, self.every = gate, findings, every
        self.begun = time.monotonic()
        self.samples: list[dict] = []

    async def look(self) -> None:
        while True:
            self.samples.append({
                "at": time.monotonic() - self.begun, "MB": self.gate.rss_mb(),
                "open files": self.gate.open_files(), "processes": self.gate.children(),
                "answers": self.findings.answers,
            })
            await asyncio.sleep(self.every)


async def settled(gate: Gate, server: FaultyServer, files: int, children: int) -> tuple[int, int]:
    """Waits until no more is open than there was before, but for connections that may be used again."""
    for _ in range(300):
        now = gate.open_files() - server.open, gate.children()
        if now[0] <= files and now[1] <= children:
            break
        await asyncio.sleep(0.1)
    return now


def compare(gate: Gate, findings: Findings, server: FaultyServer) -> None:
    begun, ended = {}, {}
    number = {}
    charges: dict[str, int] = {}
    for record in gate.records():
        n = (record.get("arguments") or {}).get("n") if record.get("tool") == "t" else None
        if record["phase"] == "begin" and n is not None:
            begun[n] = record
            number[record["call_id"]] = n
            key = record["arguments"]["key"]
            charges[key] = charges.get(key, 0) + 1
        elif record["phase"] == "finish" and record["call_id"] in number:
            n = number[record["call_id"]]
            ended[n] = record
            if record.get("refunded"):
                charges[begun[n]["arguments"]["key"]] -= 1
    reached = server.reached | {int(n) for n in gate.reached.read_text().split()}
    check("what reached a server was begun before", reached <= begun.keys(), f"{len(reached)} calls")
    open_ends = [n for n in begun if n not in ended]
    check("each call that was begun has its end", not open_ends, f"{len(begun)} begun, open: {open_ends[:5]}")
    told = {"ok": {"allow"}, "failed": {"failed"}, "not sent": {"not_sent"}}
    liars = [
        (c.n, c.outcome, ended[c.n]["outcome"])
        for c in findings.calls.values()
        if c.outcome in told and c.n in ended and ended[c.n]["outcome"] not in told[c.outcome]
    ]
    check("the ledger says what the agents were told", not liars, f"{liars[:5]}")
    unsent = [n for n, end in ended.items() if end["outcome"] == "not_sent" and n in reached]
    check("what the ledger calls not sent reached nobody", not unsent, f"{unsent[:5]}")
    over = {key: used for key, used in charges.items() if used > PER_KEY}
    check("no key was charged more than its limit", not over, f"{len(charges)} keys, {over}")


async def run(args: argparse.Namespace, work: Path) -> None:
    server = FaultyServer(args.seed)
    await server.start()
    gate = Gate(args.binary, work, server.port)
    findings, numbers = Findings(), itertools.count(1)
    agents = [
        Agent(f"a{i}", (gate.port, TOKEN, "child" if i % 6 == 5 else "faulty"), args.seed + i, findings, numbers, args.pause)
        for i in range(args.agents)
    ]
    await agents[0].call("warm", {"answer": "json"})
    await agents[-1].call("warm", {"answer": "json"})
    files, children = gate.open_files() - server.open, gate.children()
    watch = Watch(gate, findings, max(1.0, args.seconds / 720))
    watching = asyncio.create_task(watch.look())
    until = time.monotonic() + args.seconds
    await asyncio.gather(*(agent.work(until) for agent in agents))
    watching.cancel()
    for agent in agents:
        agent.way.close()
    check("each request was answered in the protocol's form", not findings.wrong,
          f"{findings.answers} answers, {findings.keys_probed} limits counted"
          + "".join(f"\n  {what}" for what in findings.wrong))
    outcomes: dict[str, int] = {}
    for call in findings.calls.values():
        outcomes[call.outcome] = outcomes.get(call.outcome, 0) + 1
    print("measured:", ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))
    slowest = max((c.took for c in findings.calls.values()), default=0)
    print(f"measured: the slowest call took {slowest:.2f} s")
    watching_hostiles = await hostile.run(gate.port, TOKEN, server, check, gate.rss_mb)
    print(f"measured: at most {watching_hostiles:.0f} MB under hostile peers")
    now = await settled(gate, server, files + 4, children)
    check("no connection, file or process is left", now[0] <= files + 4 and now[1] <= children,
          f"open files {files} → {now[0]}, processes {children} → {now[1]}")
    most = max(s["MB"] for s in watch.samples)
    check("memory keeps below its limit", most < MAX_RSS_MB, f"at most {most:.0f} MB")
    if len(watch.samples) >= 60:
        early, late = mean(watch.samples[len(watch.samples) // 4 :][:20]), mean(watch.samples[-20:])
        check("memory is flat", late < early * 1.25 + 8, f"{early:.0f} MB → {late:.0f} MB")
    code = gate.stop()
    check("the gate stops in order", code == 0, f"{code}")
    compare(gate, findings, server)
    verdict = subprocess.run(
        [args.binary, "ledger", "verify", "--data-dir", work / "data"], capture_output=True, text=True)
    check("the chain verifies", verdict.returncode == 0, verdict.stderr)
    if args.plot:
        title = f"{args.seconds / 60:.0f} min of faults, {args.agents} agents, {findings.answers:,} answers, seed {args.seed}"
        Path(args.plot).write_text(plot(watch.samples, title))


def mean(samples: list[dict]) -> float:
    return sum(s["MB"] for s in samples) / len(samples)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--agents", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between an agent's calls, at most")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--plot")
    args = parser.parse_args()
    args.binary = str(Path(args.binary).resolve())
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        asyncio.run(run(args, Path(work)))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
