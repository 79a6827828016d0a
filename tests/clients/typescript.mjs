// The official TypeScript clients, both lines, unmodified, through a running gate.
//
// usage: node typescript.mjs GATE_URL TOKEN_PREFIX
// Grants are named by client (`ts1`, `ts2-legacy`, `ts2-modern`), so that each has its own limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";

const [gate, prefix] = process.argv.slice(2);
const who = { name: "portreeve-client-test", version: "1.0.0" };

const clients = {
  ts1: { make: () => new Client1(who), Transport: Transport1 },
  "ts2-legacy": { make: () => new Client2(who), Transport: Transport2 },
  "ts2-modern": {
    make: () => new Client2(who, { versionNegotiation: { mode: "auto" } }),
    Transport: Transport2,
    modern: true,
  },
};

async function connected(kind, server, use, options = {}) {
  const { make, Transport } = clients[kind];
  const client = make();
  const headers = { Authorization: `Bearer ${prefix}-${kind}` };
  const url = new URL(`${gate}/mcp/${server}`);
  await client.connect(new Transport(url, { requestInit: { headers }, ...options }));
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

for (const kind of Object.keys(clients)) {
  test(`${kind}: runs through the gate`, () =>
    connected(kind, "runs", async (client) => {
      const names = (await client.listTools()).tools.map((tool) => tool.name);
      assert.ok(names.includes("run-rerun"), names.join(" "));
      assert.ok(!names.includes("delete_run"), "hidden tools are not listed");
      for (let i = 1; i <= 10; i++) {
        const result = await client.callTool({ name: "run-rerun", arguments: { runId: 1 } });
        assert.equal(result.structuredContent.status, "requested-full", `call ${i}`);
      }
      const refused = await client.callTool({ name: "run-rerun", arguments: { runId: 1 } });
      assert.equal(refused.isError, true);
      assert.match(refused.content[0].text, /^\[POLICY DENIED\] /);
      const decision = refused._meta["portreeve/decision"];
      assert.equal(decision.rule, "/tools/run-rerun/limits/0");
      assert.ok(decision.retry_after_ms > 0 && decision.retry_after_ms <= 60_000);
      await assert.rejects(
        client.callTool({ name: "delete_run", arguments: { runId: 1 } }),
        /Unknown tool: delete_run/,
      );
      if (clients[kind].modern) {
        assert.equal(client.getProtocolEra?.() ?? "modern", "modern");
      }
    }));

  test(`${kind}: the everything server through the gate`, () =>
    connected(kind, "everything", async (client) => {
      const { tools } = await client.listTools();
      assert.ok(tools.length >= 5, `${tools.length} tools`);
      const echoed = await client.callTool({ name: "echo", arguments: { message: "grüße 🚢" } });
      assert.match(echoed.content[0].text, /grüße 🚢/);
      const { prompts } = await client.listPrompts();
      assert.ok(prompts.length > 0);
      const { resources } = await client.listResources();
      const read = await client.readResource({ uri: resources[0].uri });
      assert.ok(read.contents.length > 0);
      const steps = [];
      const long = await client.callTool(
        { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 3 } },
        ...(kind === "ts1" ? [undefined] : []),
        { onprogress: (progress) => steps.push(progress.progress) },
      );
      assert.notEqual(long.isError, true);
      assert.deepEqual(steps.at(-1), 3, `progress ${steps}`);
    }));
}

/** A fetch that loses the stream of the first tool call once an event has given it an id. */
function losing(seen) {
  return async (url, init) => {
    const resumed = new Headers(init?.headers).get("last-event-id");
    if (resumed) seen.push(resumed);
    const response = await fetch(url, init);
    if (seen.lost || !String(init?.body).includes('"tools/call"')) return response;
    seen.lost = true;
    const reader = response.body.getReader();
    const body = new ReadableStream({
      async pull(controller) {
        const { value } = await reader.read();
        if (value) controller.enqueue(value);
        if (new TextDecoder().decode(value).includes("id:")) {
          await reader.cancel();
          controller.error(new Error("the network is gone"));
        }
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
}

for (const kind of ["ts1", "ts2-legacy"]) {
  test(`${kind}: a lost stream is resumed through the gate`, async () => {
    const seen = [];
    // The call ends while the client is away: its answer comes with the resumed stream only.
    const reconnectionOptions = {
      initialReconnectionDelay: 2_000,
      maxReconnectionDelay: 2_000,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 2,
    };
    await connected(
      kind,
      "everything",
      async (client) => {
        const long = await client.callTool(
          { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 2 } },
          ...(kind === "ts1" ? [undefined] : []),
          { timeout: 15_000 },
        );
        assert.match(long.content[0].text, /completed/);
        assert.equal(seen.length, 1, "resumed once");
        assert.match(seen[0], /^[0-9a-f]{32}\./, "with the id that the gate gave");
      },
      { fetch: losing(seen), reconnectionOptions },
    );
  });
}
