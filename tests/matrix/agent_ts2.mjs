// The words of the TypeScript SDK 2.x.

import * as sdk from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const { Client, SSEClientTransport, StreamableHTTPClientTransport } = sdk;
const MODERN = "2026-07-28";

export const PACKAGE = "@modelcontextprotocol/client";
export const REVISIONS = [MODERN, ...sdk.SUPPORTED_PROTOCOL_VERSIONS];
export const TRANSPORTS = ["http", "sse", "stdio"];

export function make(era, { sampling, elicitation }) {
  const client = new Client(
    { name: "portreeve-matrix", version: "1.0.0" },
    {
      capabilities: { sampling: {}, elicitation: {} },
      versionNegotiation: { mode: era === "modern" ? { pin: MODERN } : "legacy" },
    },
  );
  client.setRequestHandler("sampling/createMessage", ({ params }) => sampling(params));
  client.setRequestHandler("elicitation/create", ({ params }) => elicitation(params));
  return client;
}

export function transport({ transport: way, url, token, command, env }) {
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  if (way === "http") return new StreamableHTTPClientTransport(new URL(url), { requestInit });
  if (way === "sse") return new SSEClientTransport(new URL(url), { requestInit });
  return new StdioClientTransport({ command: command[0], args: command.slice(1), env, stderr: "inherit" });
}

export const revision = (client) => client.getNegotiatedProtocolVersion();
export const call = (client, params, options) => client.callTool(params, options);
