// The words of the TypeScript SDK 1.x.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

export const PACKAGE = "@modelcontextprotocol/sdk";
export const REVISIONS = types.SUPPORTED_PROTOCOL_VERSIONS;
export const TRANSPORTS = ["http", "sse", "stdio"];

export function make(era, { sampling, elicitation }) {
  const client = new Client({ name: "portreeve-matrix", version: "1.0.0" }, { capabilities: { sampling: {}, elicitation: {} } });
  client.setRequestHandler(types.CreateMessageRequestSchema, ({ params }) => sampling(params));
  client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => elicitation(params));
  return client;
}

export function transport({ transport: way, url, token, command, env }) {
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  if (way === "http") return watched(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  if (way === "sse") return watched(new SSEClientTransport(new URL(url), { requestInit }));
  return watched(new StdioClientTransport({ command: command[0], args: command.slice(1), env, stderr: "inherit" }));
}

/** The client keeps the revision to itself; it tells its transport only. */
function watched(transport) {
  const tell = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    transport.agreed = version;
    tell?.(version);
  };
  return transport;
}

export const revision = (client, transport) => transport.agreed;
export const call = (client, params, options) => client.callTool(params, undefined, options);
