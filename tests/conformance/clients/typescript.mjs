// A client of the suite's, on the TypeScript SDK 2.x: it uses all that a server has.
//
// usage: typescript.mjs URL, with the suite's own environment

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const { MCP_CONFORMANCE_PROTOCOL_VERSION: revision, MCP_CONFORMANCE_CONTEXT: context } = process.env;
const { toolCalls } = JSON.parse(context ?? "{}");

const client = new Client(
  { name: "portreeve-conformance", version: "1.0.0" },
  {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: revision >= "2026-07-28" ? "auto" : "legacy" },
  },
);
// What is left out, the SDK fills in from the form's defaults.
client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: {} }));

/** Arguments for a tool: a value for each that is required. */
function given(tool, tools) {
  const values = { number: 5, integer: 5, string: "five", boolean: true };
  const { properties = {}, required = [] } = tool.inputSchema;
  const sample = (name) => (name === "schema" ? tools[0].inputSchema : values[properties[name]?.type]);
  return Object.fromEntries(required.map((name) => [name, sample(name)]));
}

/** One refusal is no end: the next use may be what the scenario is about. */
async function use(what, using) {
  try {
    return await using();
  } catch (error) {
    console.error(`${what}: ${error.message}`);
  }
}

await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
const { tools } = await client.listTools();
for (const call of toolCalls ?? tools.map((tool) => ({ name: tool.name, arguments: given(tool, tools) }))) {
  await use(call.name, () => client.callTool(call));
}
const { resources: hasResources, prompts: hasPrompts } = client.getServerCapabilities() ?? {};
if (hasResources) {
  for (const { uri } of (await client.listResources()).resources) await use(uri, () => client.readResource({ uri }));
}
if (hasPrompts) {
  for (const { name } of (await client.listPrompts()).prompts) await use(name, () => client.getPrompt({ name }));
}
await client.close();
