// Where the clients go: one gate, the servers behind it, and the URLs at which a grant reaches them.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { freePort, listening, start } from "../conformance/processes.mjs";

const fixture = join(dirname(fileURLToPath(import.meta.url)), "../conformance/fixture/main.mjs");
const POLICY = JSON.stringify({
  version: "1",
  default: "allow",
  server_requests: { elicitation: "allow", sampling: "allow" },
});
const childCommand = [process.execPath, fixture, "stdio"];

/** The servers behind the gate: how the fixture is started for each that is at a URL. The other is a child. */
const AT_URLS = {
  http: (port) => ["http", port],
  modern: (port) => ["http", port, "--only=modern"],
  legacy: (port) => ["http", port, "--only=legacy"],
  sse: (port) => ["sse", port],
};

/**
 * The URLs: under which grant, at which path, and what stands before the names of the tools there; `beside`
 * is what stands before those of another server. What `wrap` starts has no URL: only clients that start
 * processes come there.
 */
export const PLACES = {
  "`/mcp/http`": { grant: "all", path: "/mcp/http", prefix: "" },
  "`/mcp/stdio`": { grant: "all", path: "/mcp/stdio", prefix: "" },
  "`/mcp`, one: HTTP": { grant: "http", path: "/mcp", prefix: "" },
  "`/mcp`, one: stdio": { grant: "stdio", path: "/mcp", prefix: "" },
  "`/mcp`, two: HTTP": { grant: "all", path: "/mcp", prefix: "http__", beside: ["stdio__"] },
  "`/mcp`, two: stdio": { grant: "all", path: "/mcp", prefix: "stdio__", beside: ["http__"] },
  "`/mcp/modern`": { grant: "eras", path: "/mcp/modern", prefix: "" },
  "`/mcp/legacy`": { grant: "eras", path: "/mcp/legacy", prefix: "" },
  "`/mcp/sse`": { grant: "eras", path: "/mcp/sse", prefix: "" },
  "`wrap`": { prefix: "" },
};
const GRANTS = { all: ["http", "stdio"], http: ["http"], stdio: ["stdio"], eras: ["modern", "legacy", "sse"] };

/** Where a place is for clients of the oldest transport, which reach single servers only. */
export const ssePath = (path) => path.replace(/^\/mcp/, "/sse");

export const tokenOf = (grant) => `token-of-the-matrix-${grant}-0123456789-abcdef`;

function configuration(port, ports) {
  const lines = [`listen = "127.0.0.1:${port}"`, `[policies.open]`, `inline = '${POLICY}'`, "[legacy]", "sse = true"];
  for (const [name, at] of Object.entries(ports)) lines.push(`[servers.${name}]`, `url = "http://127.0.0.1:${at}/mcp"`);
  lines.push("[servers.stdio]", `command = ${JSON.stringify(childCommand)}`);
  for (const [label, servers] of Object.entries(GRANTS)) {
    const digest = createHash("sha256").update(tokenOf(label)).digest("hex");
    const routes = servers.map((server) => `${server} = "open"`).join(", ");
    lines.push("[[grants]]", `label = "${label}"`, `token_sha256 = "${digest}"`, `servers = { ${routes} }`);
  }
  return lines.join("\n");
}

/** Starts the servers and a gate in front of them. */
export async function open(binary, work) {
  const ports = {};
  for (const [name, flags] of Object.entries(AT_URLS)) {
    ports[name] = await freePort();
    start(work, name, process.execPath, fixture, ...flags(ports[name]));
    await listening(work, ports[name], name);
  }
  const port = await freePort();
  writeFileSync(join(work, "portreeve.toml"), configuration(port, ports));
  writeFileSync(join(work, "policy.json"), POLICY);
  start(work, "gate", binary, "up", "--config", join(work, "portreeve.toml"), "--data-dir", join(work, "data"));
  await listening(work, port, "gate");
  return { binary, work, gate: `http://127.0.0.1:${port}`, fixture: `http://127.0.0.1:${ports.http}/mcp`, childCommand };
}
