// Stands a gate between the suite's server and a client. The suite starts this as if it were the client;
// the client is started with the gate's URL in place of the server's, and is the same in all else.
//
// The gate is a client itself when it reads the list of tools that it pins. The suite would take its
// requests for those of the client under test. So it reads the list from a second server of the same
// scenario, which nobody looks at; then the way is switched to the server that is looked at.
//
// usage: through.mjs PORTREEVE_BINARY SUITE WORK_FOLDER CLIENT… URL, with the suite's own environment

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { forward } from "../forward.mjs";
import { freePort, listening, said, start, stopAll } from "../processes.mjs";

const [binary, suite, into, ...command] = process.argv.slice(2);
const observed = new URL(command.pop());
const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_PROTOCOL_VERSION: revision } = process.env;
const token = "token-of-the-client-suite-0123456789-abcdef";
const policy = { version: "1", default: "allow", server_requests: { roots: "allow", elicitation: "allow", sampling: "allow" } };
const work = mkdtempSync(join(into, "gate-"));
// The path of a control socket must be short.
const data = mkdtempSync(join(tmpdir(), "portreeve-"));
process.on("exit", () => rmSync(data, { recursive: true, force: true }));

function configuration(port, door, way) {
  return [
    `listen = "127.0.0.1:${port}"`,
    `allowed_hosts = ["127.0.0.1:${door}"]`,
    `[servers.suite]`,
    `url = "http://127.0.0.1:${way}${observed.pathname}"`,
    `[policies.open]`,
    `inline = '${JSON.stringify(policy)}'`,
    `[[grants]]`,
    `label = "client"`,
    `token_sha256 = "${createHash("sha256").update(token).digest("hex")}"`,
    `servers = { suite = "open" }`,
  ].join("\n");
}

start(work, "unobserved", process.execPath, suite, "client", "--scenario", scenario, "--spec-version", revision);
const [, unobserved] = await said(work, "unobserved", /Server URL: (\S+)/);
let server = new URL(unobserved).port;
const way = await forward(() => server);
const port = await freePort();
const door = await forward(() => port, token);
writeFileSync(join(work, "portreeve.toml"), configuration(port, door, way));
start(work, "gate", binary, "up", "--config", join(work, "portreeve.toml"), "--data-dir", data);
await listening(work, port, "gate");
await said(work, "gate", /accepted its first tool list/);
server = observed.port;

const [program, ...args] = command;
const client = spawn(program, [...args, `http://127.0.0.1:${door}/mcp/suite`], { stdio: "inherit" });
process.on("exit", () => client.kill());
client.on("close", (code) => {
  stopAll();
  process.exit(code ?? 1);
});
