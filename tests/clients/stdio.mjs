// The official TypeScript clients, unmodified, with stdio servers: behind a gate over HTTP, through
// `portreeve stdio`, and through `portreeve wrap`.
//
// usage: node stdio.mjs GATE_URL TOKEN_PREFIX PORTREEVE_BINARY WORK_FOLDER

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { clients, ways } from "./ways.mjs";

const work = process.argv[5];

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
