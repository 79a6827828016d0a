// Runs the suite's scenarios for clients (all but those about authorization) on every official client,
// directly and with a gate between client and server, and holds the results against each other.
//
// usage: suite.mjs PORTREEVE_BINARY SUITE_TOOLS CLIENTS_TOOLS WORK_FOLDER

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { count, differences, read } from "../results.mjs";

const [binary, tools, sdks, work] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const installed = join(tools, "node_modules/@modelcontextprotocol/conformance");
const suite = join(installed, "dist/index.js");
const { parse } = createRequire(join(tools, "package.json"))("yaml");
const AT_ONCE = 3;

/** What each client must reach without a gate: checks passed. None may fail. */
const REVISIONS = { "2025-11-25": 20, "2026-07-28": 62 };
const CLIENTS = {
  TypeScript: [process.execPath, join(sdks, "suite_typescript.mjs")],
  Python: [join(sdks, "venv/bin/python"), join(here, "python.py")],
  Rust: [join(sdks, "rmcp/debug/portreeve-rmcp-client"), "suite"],
};

/** The scenarios of a revision, those included that do not count for a score. */
function scenarios(revision) {
  const required = parse(readFileSync(join(installed, `requirements/${revision}.yaml`), "utf8"));
  const beside = required.not_scored.filter(({ leg }) => leg === "client").map(({ scenario }) => scenario);
  return [...required.client, ...beside].filter((name) => !name.startsWith("auth/"));
}

/** Runs one scenario with a client; gives its checks. */
function run(revision, scenario, client, into) {
  mkdirSync(into, { recursive: true });
  const args = [suite, "client", "--command", client.join(" ")];
  args.push("--scenario", scenario, "--spec-version", revision, "-o", into);
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 60_000, maxBuffer: 1 << 26 }, (error, out, err) => {
      writeFileSync(`${into}.log`, `${out}${err}`);
      resolve([...read(into).values()].flat());
    });
  });
}

let [passed, failed] = [0, 0];
function check(name, problems) {
  if (problems.length === 0) return void passed++;
  failed++;
  console.log(`FAILED ${name}\n    ${problems.join("\n    ")}`);
}

const found = [];
async function one({ client, revision, scenario }) {
  const into = (way) => join(work, `${client}-${revision}-${scenario.replaceAll("/", "_")}-${way}`);
  const direct = await run(revision, scenario, CLIENTS[client], into("direct"));
  const gates = into("gates");
  mkdirSync(gates);
  const through = [process.execPath, join(here, "through.mjs"), binary, suite, gates, ...CLIENTS[client]];
  const behind = await run(revision, scenario, through, into("gate"));
  found.push({ client, revision, direct, behind });
  check(`${client} ${revision}: ${scenario}`, differences(direct, behind));
}

const all = Object.keys(CLIENTS).flatMap((client) =>
  Object.keys(REVISIONS).flatMap((revision) => scenarios(revision).map((scenario) => ({ client, revision, scenario }))),
);
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (all.length > 0) await one(all.shift());
}));

const row = (...cells) => console.log(cells.map((cell, i) => String(cell).padEnd([14, 14, 18, 9, 9, 9][i])).join(""));
row("client", "revision", "way", "passed", "failed", "warnings");
for (const client of Object.keys(CLIENTS)) {
  for (const [revision, expected] of Object.entries(REVISIONS)) {
    const of = found.filter((one) => one.client === client && one.revision === revision);
    for (const [way, name] of [["direct", "directly"], ["behind", "through the gate"]]) {
      const checks = new Map(of.map((one, i) => [i, one[way]]));
      const [good, bad, warned] = ["SUCCESS", "FAILURE", "WARNING"].map((status) => count(checks, status));
      row(client, revision, name, good, bad, warned);
      check(`${client} ${revision} ${name}`, good === expected ? [] : [`${good} checks passed, not ${expected}`]);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
