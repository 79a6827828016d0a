// The suite cannot be told to send a header, and the gate takes nobody without a token. This stands
// between them and adds the token; everything else goes through as it came, byte for byte and as soon
// as it comes: the Host and Origin that the suite wrote, the case and order of headers, the status,
// streams, and who went away first.

import { createServer, request as send } from "node:http";
import { pipeline } from "node:stream";

const HOPS = new Set(["connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"]);

/** Raw headers without those that belong to one connection. */
function carried(raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) if (!HOPS.has(raw[i].toLowerCase())) kept.push(raw[i], raw[i + 1]);
  return kept;
}

/** Listens on a free port and forwards to `to`, which is a port of this machine; gives its own. */
export function forward(to, token) {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const headers = [...carried(request.rawHeaders), "Authorization", `Bearer ${token}`];
    const { method, url: path } = request;
    const passed = send({ host: "127.0.0.1", port: to, method, path, headers, setHost: false }, (answer) => {
      response.writeHead(answer.statusCode, carried(answer.rawHeaders));
      response.flushHeaders();
      pipeline(answer, response, () => {});
    });
    passed.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on("close", () => passed.destroy());
    pipeline(request, passed, () => {});
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}
