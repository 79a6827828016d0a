// Runs every client on every way to every place, and tells what came of it.
//
// usage: matrix.mjs PORTREEVE_BINARY CLIENTS_TOOLS RMCP_PROGRAM WORK_FOLDER PAGE [--write]

import { execFileSync, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { stopAll } from "../conformance/processes.mjs";
import { FEATURES, problem } from "./expected.mjs";
import { MODERN, pairs, WAYS } from "./pairs.mjs";
import { open } from "./places.mjs";
import { page } from "./table.mjs";

const [binary, tools, rmcp, work, doc, write] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const PATIENCE = 150_000;

const CLIENTS = {
  "TypeScript 1.x": [process.execPath, join(tools, "agent.mjs"), "ts1"],
  "TypeScript 2.x": [process.execPath, join(tools, "agent.mjs"), "ts2"],
  Python: [join(tools, "venv/bin/python"), join(here, "agent.py")],
  Rust: [rmcp],
};

/** The lines that a client says when it is asked for its `facts`, or for the `matrix` and given jobs. */
function run(client, what, jobs) {
  const [command, ...first] = CLIENTS[client];
  const log = openSync(join(work, `${client}.log`), "a");
  const child = spawn(command, [...first, what], { stdio: ["pipe", "pipe", log], timeout: PATIENCE });
  const lines = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
  // Who is asked for facts does not read, and may be gone already.
  child.stdin.on("error", () => {}).end(JSON.stringify(jobs));
  return new Promise((resolve) => child.on("close", () => resolve(lines)));
}

/** What the SDK says of itself. rmcp cannot say what it is and could be: cargo can. */
async function factsOf(client) {
  const [facts] = await run(client, "facts", []);
  if (client !== "Rust") return facts;
  const { packages } = JSON.parse(readFileSync(join(work, "rmcp.json"), "utf8"));
  const { name, version, features } = packages.find(({ name }) => name === "rmcp");
  const can = Object.keys(features).join(" ");
  const transports = { http: "streamable-http-client", sse: "transport-sse", stdio: "transport-child-process" };
  const has = Object.keys(transports).filter((transport) => can.includes(transports[transport]));
  return { ...facts, name: `${name} ${version}`, transports: has };
}

/** The names of the server's own list. */
async function listedBy(url) {
  const _meta = { "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {} };
  const headers = { "content-type": "application/json", "mcp-protocol-version": MODERN, "mcp-method": "tools/list" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta } });
  const answer = await (await fetch(url, { method: "POST", headers, body })).json();
  return answer.result.tools.map((tool) => tool.name);
}

let [passed, failed] = [0, 0];
function check(name, why) {
  if (why === undefined) return void passed++;
  failed++;
  console.log(`FAILED ${name}\n    ${why.trim().split("\n").join("\n    ")}`);
}

function judge(pair, lines, listed) {
  if (pair.reason !== undefined) return check(pair.id, pair.holds ? undefined : `not so any more: ${pair.reason}`);
  const said = new Map(lines.filter((line) => line.id === pair.id).map((line) => [line.feature, line]));
  const lost = said.get("connect") ?? said.get("close");
  check(`${pair.id}: connection`, lost?.failed);
  pair.failed = FEATURES.filter((feature) => {
    const why = said.has("connect") ? "not connected" : problem(pair, feature, said.get(feature), listed);
    check(`${pair.id}: ${feature}`, why);
    return why !== undefined;
  });
}

const began = Date.now();
const place = await open(binary, work);
const listed = await listedBy(place.fixture);
const clients = await Promise.all(
  Object.keys(CLIENTS).map(async (client) => ({ client, ways: Object.keys(WAYS), facts: await factsOf(client) })),
);
for (const one of clients) one.name = one.facts.name;
const found = [];
await Promise.all(
  clients.map(async ({ client, facts }) => {
    const all = await pairs(place, client, facts);
    const lines = await run(client, "matrix", all.flatMap((pair) => pair.job ?? []));
    for (const pair of all) judge(pair, lines, listed);
    found.push(...all);
  }),
);
stopAll();
const version = execFileSync(binary, ["--version"], { encoding: "utf8" }).trim().replace(/^p/, "P");
check("the table in the documentation", page(doc, write === "--write", clients, found, version));
console.log(`${found.length} pairs in ${Math.round((Date.now() - began) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
