// The official TypeScript clients, unmodified, with the real server for CircleCI behind a gate, under
// the policy of examples/policies/circleci-reruns. What counts is what reaches the stand-in for CircleCI.
//
// usage: node circleci.mjs GATE_URL TOKEN_PREFIX PORTREEVE_BINARY WORK_FOLDER STAND_IN_URL

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { clients, ways } from "./ways.mjs";

const standIn = process.argv[6];

const reached = async (token) => {
  const asked = await (await fetch(`${standIn}/asked`)).json();
  return asked.filter((request) => request.token === token).map(({ method, path }) => `${method} ${path}`);
};

const rerun = (client, params) => client.callTool({ name: "rerun_workflow", arguments: { params } });

const refused = async (client, params, rule) => {
  const answer = await rerun(client, params);
  assert.equal(answer.isError, true, JSON.stringify(answer));
  assert.match(answer.content[0].text, /^\[POLICY DENIED\]/);
  assert.equal(answer._meta["portreeve/decision"].rule, `/tools/rerun_workflow/${rule}`);
};

const connected = async (transport, kind, use) => {
  const client = clients[kind].make();
  await client.connect(transport);
  try {
    await use(client);
  } finally {
    await client.close();
  }
};

for (const [way, transport] of Object.entries(ways)) {
  for (const kind of Object.keys(clients)) {
    test(`${kind}: CircleCI ${way}`, { timeout: 60_000 }, async () => {
      const [id, byUrl] = [randomUUID(), randomUUID()];
      await connected(transport(kind, "circleci"), kind, async (client) => {
        const tools = (await client.listTools()).tools.map((tool) => tool.name);
        assert.deepEqual(tools, ["rerun_workflow"]);
        await refused(client, { workflowId: "../project/gh/acme/shop" }, "require/0");
        await refused(client, { workflowId: `${id}/../../project/gh/acme/shop` }, "require/0");
        const workflowURL = `https://app.circleci.com/pipelines/gh/acme/shop/7/workflows/${byUrl}`;
        await refused(client, { workflowURL }, "deny_if/0");
        await refused(client, { workflowId: id, workflowURL }, "deny_if/0");
        for (let count = 1; count <= 10; count += 1) {
          const answer = await rerun(client, { workflowId: id });
          assert.notEqual(answer.isError, true, `${count}: ${JSON.stringify(answer)}`);
          assert.match(answer.content[0].text, /New workflowId is/);
        }
        await refused(client, { workflowId: id }, "limits/0");
        await refused(client, { workflowId: id, fromFailed: true }, "limits/0");
      });
      const all = await reached("guarded");
      const own = all.filter((request) => request.includes(id));
      const rerun10 = Array(10).fill(`POST /api/v2/workflow/${id}/rerun`);
      assert.deepEqual(own.filter((request) => request.startsWith("POST")), rerun10);
      assert.deepEqual(all.filter((request) => request.includes(byUrl)), []);
      const elsewhere = all.filter((request) => !/^\S+ \/api\/v2\/workflow\/[0-9a-f-]{36}(\/rerun)?$/.test(request));
      assert.deepEqual(elsewhere, []);
    });
  }
}

test("ts1: without the policy CircleCI would have been asked all that", { timeout: 60_000 }, async () => {
  const byUrl = randomUUID();
  await connected(ways["over HTTP"]("ts1", "circleci-open"), "ts1", async (client) => {
    await rerun(client, { workflowId: "../project/gh/acme/shop" });
    await rerun(client, { workflowURL: `https://app.circleci.com/pipelines/gh/acme/shop/7/workflows/${byUrl}` });
  });
  const all = await reached("open");
  assert.ok(all.includes("GET /api/v2/project/gh/acme/shop"), all.join("\n"));
  assert.ok(all.includes(`POST /api/v2/workflow/${byUrl}/rerun`), all.join("\n"));
});
