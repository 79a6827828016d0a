// The official TypeScript clients, unmodified, with stdio servers: behind a gate over HTTP, through
// `portreeve stdio`, and through `portreeve wrap`.
//
// usage: node stdio.mjs GATE_URL TOKEN_PREFIX PORTREEVE_BINARY WORK_FOLDER

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as Http2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";

const [gate, prefix, binary, work] = process.argv.slice(2);
const commands = JSON.parse(readFileSync(`${work}/commands.json`, "utf8"));
const who = { name: "portreeve-stdio-test", version: "1.0.0" };

const clients = {
  ts1: { make: () => new Client1(who), Stdio: Stdio1, Http: Http1 },
  "ts2-legacy": { make: () => new Client2(who), Stdio: Stdio2, Http: Http2 },
  "ts2-modern": {
    make: () => new Client2(who, { versionNegotiation: { mode: "auto" } }),
    Stdio: Stdio2,
    Http: Http2,
  },
};

const ways = {
  "over HTTP": (kind, server) => {
    const headers = { Authorization: `Bearer ${prefix}-${kind}` };
    return new clients[kind].Http(new URL(`${gate}/mcp/${server}`), { requestInit: { headers } });
  },
  "through `portreeve stdio`": (kind, server) =>
    new clients[kind].Stdio({
      command: binary,
      args: ["stdio", "--server", server, "--url", gate],
      env: { PORTREEVE_TOKEN: `${prefix}-${kind}` },
      stderr: "ignore",
    }),
  "through `portreeve wrap`": (kind, server) =>
    new clients[kind].Stdio({
      command: binary,
      args: ["wrap", "--policy", `${work}/policy.json`, "--data-dir", `${work}/wrapped`,
        "--env", `MEMORY_FILE_PATH=${work}/memory-wrapped.json`, "--", ...commands[server]],
      env: { PATH: process.env.PATH },
      stderr: "ignore",
    }),
};

const text = (result) => {
  assert.notEqual(result.isError, true, JSON.stringify(result));
  return result.content.map((part) => part.text).join("\n");
};

const uses = {
  files: async (client) => {
    const read = await client.callTool({ name: "read_text_file", arguments: { path: `${work}/files/a.txt` } });
    assert.match(text(read), /a file/);
    const path = `${work}/files/written.txt`;
    await client.callTool({ name: "write_file", arguments: { path, content: "grüße\n🚢" } });
    assert.equal(readFileSync(path, "utf8"), "grüße\n🚢");
    const outside = await client.callTool({ name: "read_text_file", arguments: { path: "/etc/hostname" } });
    assert.equal(outside.isError, true);
  },
  memory: async (client, kind, way) => {
    const name = `${kind} ${way}`;
    const entity = { name, entityType: "test", observations: ["it was here"] };
    await client.callTool({ name: "create_entities", arguments: { entities: [entity] } });
    const found = await client.callTool({ name: "search_nodes", arguments: { query: name } });
    assert.match(text(found), /it was here/);
  },
  every: async (client, kind) => {
    const echoed = await client.callTool({ name: "echo", arguments: { message: "grüße 🚢" } });
    assert.match(text(echoed), /grüße 🚢/);
    const { prompts } = await client.listPrompts();
    assert.ok(prompts.length > 0);
    const { resources } = await client.listResources();
    const read = await client.readResource({ uri: resources[0].uri });
    assert.ok(read.contents.length > 0);
    const steps = [];
    await client.callTool(
      { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 3 } },
      ...(kind === "ts1" ? [undefined] : []),
      { onprogress: (progress) => steps.push(progress.progress) },
    );
    // The last step and the result can come in one read; the older SDK then drops the handler of the
    // first before it runs it. So of the last step only the order is certain.
    assert.ok(steps.length >= 2, `progress ${steps}`);
    assert.deepEqual(steps, [1, 2, 3].slice(0, steps.length), `progress ${steps}`);
  },
  git: async (client) => {
    const status = await client.callTool({ name: "git_status", arguments: { repo_path: `${work}/repository` } });
    assert.match(text(status), /branch/);
  },
  time: async (client) => {
    const now = await client.callTool({ name: "get_current_time", arguments: { timezone: "UTC" } });
    assert.match(text(now), /UTC/);
  },
  demo: async (client) => {
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    assert.ok(names.includes("list_runs"), names.join(" "));
    const runs = await client.callTool({ name: "list_runs", arguments: {} });
    assert.ok(text(runs).length > 0);
  },
};

for (const [way, transport] of Object.entries(ways)) {
  for (const kind of Object.keys(clients)) {
    for (const [server, use] of Object.entries(uses)) {
      test(`${kind}: ${server} ${way}`, { timeout: 60_000 }, async () => {
        const client = clients[kind].make();
        await client.connect(transport(kind, server));
        try {
          await use(client, kind, way);
        } finally {
          await client.close();
        }
      });
    }
  }
}
