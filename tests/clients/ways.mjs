// The official TypeScript clients, and the ways on which they come to a stdio server.
//
// It reads the arguments that all of these tests begin with: GATE_URL TOKEN_PREFIX PORTREEVE_BINARY
// WORK_FOLDER

import { readFileSync } from "node:fs";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as Http2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";

const [gate, prefix, binary, work] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(`${work}/${name}.json`, "utf8"));
const [commands, wraps] = [read("commands"), read("wraps")];
const who = { name: "portreeve-stdio-test", version: "1.0.0" };

export const clients = {
  ts1: { make: () => new Client1(who), Stdio: Stdio1, Http: Http1 },
  "ts2-legacy": { make: () => new Client2(who), Stdio: Stdio2, Http: Http2 },
  "ts2-modern": {
    make: () => new Client2(who, { versionNegotiation: { mode: "auto" } }),
    Stdio: Stdio2,
    Http: Http2,
  },
};

// Each way has grants of its own, and so limits of its own.
export const ways = {
  "over HTTP": (kind, server) => {
    const headers = { Authorization: `Bearer ${prefix}-${kind}` };
    return new clients[kind].Http(new URL(`${gate}/mcp/${server}`), { requestInit: { headers } });
  },
  "through `portreeve stdio`": (kind, server) =>
    new clients[kind].Stdio({
      command: binary,
      args: ["stdio", "--server", server, "--url", gate],
      env: { PORTREEVE_TOKEN: `${prefix}-${kind}-lines` },
      stderr: "ignore",
    }),
  "through `portreeve wrap`": (kind, server) =>
    new clients[kind].Stdio({
      command: binary,
      args: ["wrap", ...wraps[server], "--label", `${server}-${kind}`, "--data-dir", `${work}/wrapped`,
        "--", ...commands[server]],
      env: { PATH: process.env.PATH },
      stderr: "ignore",
    }),
};
