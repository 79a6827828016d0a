// Runs the suite against the fixture directly, and then through the gate in every way there is, and
// holds the results against each other.
//
// usage: conform.mjs PORTREEVE_BINARY TOOLS_DIRECTORY WORK_DIRECTORY

import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { forward } from "./forward.mjs";
import { count, differences, read } from "./results.mjs";

const [binary, tools, work] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const fixture = join(here, "fixture", "main.mjs");
const suite = join(tools, "node_modules/@modelcontextprotocol/conformance/dist/index.js");

/** What the fixture itself must reach: checks passed. None may fail. */
const REVISIONS = { "2025-11-25": 84, "2026-07-28": 197 };
const SERVERS = ["http", "stdio"];

/**
 * What is meant to come out otherwise than directly. A child has no streams that it could close in
 * the middle of a call, so nobody has to come back for the answer.
 */
const UNLIKE = { stdio: { "server-sse-disconnect-resume": "INFO" } };

const MAY_ASK = { roots: "allow", elicitation: "allow", elicitation_url: "allow", sampling: "allow" };
const POLICIES = {
  "allow-all": { version: "1", default: "allow", server_requests: MAY_ASK },
  // Looks at every call and every result, and finds nothing to refuse or to take out.
  ruled: {
    version: "1",
    default: "allow",
    server_requests: MAY_ASK,
    hide: ["no_such_*"],
    all_tools: {
      limits: [{ counter: "calls", window: "hour", max: 100_000 }],
      redact: [{ detect: { regex: "no such words, [0-9]{8} times" } }],
      max_result_bytes: 1_048_576,
    },
    tools: {
      no_such_tool: { require: [{ conditions: [{ path: "args.target", op: "eq", value: "staging" }] }] },
    },
    resources: { "other://**": { action: "deny" } },
  },
};

const running = [];
function start(name, command, ...args) {
  const log = openSync(join(work, `${name}.log`), "w");
  running.push(spawn(command, args, { stdio: ["ignore", log, log], cwd: work }));
}
const stopAll = () => running.forEach((child) => child.kill());
process.on("exit", stopAll);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Resolves when something listens; throws after ten seconds. */
async function listening(port, name) {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("connect", () => (socket.destroy(), resolve(true))).on("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} does not listen: ${readFileSync(join(work, `${name}.log`), "utf8")}`);
}

const tokenOf = (policy) => `conformance-token-of-${policy}-0123456789-abcdef`;

/** One gate in front of the fixture, over HTTP and as a child; one grant for each policy. */
function configuration(listen, behind, names) {
  const lines = [`listen = "127.0.0.1:${listen}"`, `allowed_hosts = ${JSON.stringify(names)}`];
  lines.push("[servers.http]", `url = "http://127.0.0.1:${behind}/mcp"`);
  lines.push("[servers.stdio]", `command = ${JSON.stringify([process.execPath, fixture, "stdio"])}`);
  for (const [name, policy] of Object.entries(POLICIES)) {
    lines.push(`[policies.${name}]`, `inline = '${JSON.stringify(policy)}'`);
  }
  for (const name of Object.keys(POLICIES)) {
    const digest = createHash("sha256").update(tokenOf(name)).digest("hex");
    const routes = SERVERS.map((server) => `${server} = "${name}"`).join(", ");
    lines.push("[[grants]]", `label = "${name}"`, `token_sha256 = "${digest}"`, `servers = { ${routes} }`);
  }
  return lines.join("\n");
}

/** Runs the suite; it ends badly when a check fails, which its findings say better. */
function run(url, into, ...what) {
  mkdirSync(into, { recursive: true });
  const args = [suite, "server", "--url", url, "-o", into, ...what];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 240_000, maxBuffer: 1 << 26 }, (error, out, err) => {
      writeFileSync(`${into}.log`, `${out}${err}`);
      resolve(read(into));
    });
  });
}

let passed = 0;
let failed = 0;
function check(name, problems) {
  if (problems.length === 0) return void passed++;
  failed++;
  console.log(`FAILED ${name}`);
  for (const problem of problems) console.log(`    ${problem.split("\n").join("\n      ")}`);
}
const row = (...cells) => console.log(cells.map((cell, i) => String(cell).padEnd([12, 26, 9, 9, 9][i])).join(""));
function report(revision, way, found) {
  row(revision, way, count(found, "SUCCESS"), count(found, "FAILURE"), count(found, "WARNING"));
}

const [strictPort, openPort, gatePort] = await Promise.all([freePort(), freePort(), freePort()]);
start("fixture", process.execPath, fixture, "http", strictPort);
// Behind the gate stands one that lets every Host and Origin in: the check must be the gate's.
start("fixture-open", process.execPath, fixture, "http", openPort, "--any-host");
await Promise.all([listening(strictPort, "fixture"), listening(openPort, "fixture-open")]);
const doors = new Map();
for (const policy of Object.keys(POLICIES)) doors.set(policy, await forward(gatePort, tokenOf(policy)));
// The suite writes the forwarder's address into Host and Origin: it is what the gate is called here.
const names = [...doors.values()].map((port) => `127.0.0.1:${port}`);
writeFileSync(join(work, "portreeve.toml"), configuration(gatePort, openPort, names));
start("gate", binary, "up", "--config", join(work, "portreeve.toml"), "--data-dir", join(work, "data"));
await listening(gatePort, "gate");

row("revision", "way", "passed", "failed", "warnings");
const open = await run(`http://127.0.0.1:${openPort}/mcp`, join(work, "open"), "--scenario", "dns-rebinding-protection");
check("the server behind the gate lets a foreign host in", count(open, "FAILURE") === 1 ? [] : ["it does not"]);
for (const [revision, expected] of Object.entries(REVISIONS)) {
  const direct = await run(`http://127.0.0.1:${strictPort}/mcp`, join(work, `${revision}-direct`), "--requirements", revision);
  report(revision, "directly", direct);
  for (const [scenario, checks] of direct) check(`${revision} directly: ${scenario}`, differences(checks, checks));
  const reached = count(direct, "SUCCESS");
  check(`${revision} directly`, reached === expected ? [] : [`${reached} checks passed, not ${expected}`]);
  for (const policy of Object.keys(POLICIES)) {
    for (const upstream of SERVERS) {
      const way = `${upstream}, ${policy}`;
      const into = join(work, `${revision}-${upstream}-${policy}`);
      const found = await run(`http://127.0.0.1:${doors.get(policy)}/mcp/${upstream}`, into, "--requirements", revision);
      report(revision, way, found);
      for (const [scenario, checks] of direct) {
        check(`${revision} ${way}: ${scenario}`, differences(checks, found.get(scenario) ?? [], UNLIKE[upstream]));
      }
    }
  }
}
stopAll();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
