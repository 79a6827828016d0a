// Stands in for CircleCI's API on loopback, and keeps what it was asked.
//
// usage: node circleci_stand_in.mjs PORT
// `GET /asked` lists the requests: whose token came, the method, and the path as it arrived.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

const asked = [];

const answers = [
  [/^GET \/api\/v2\/workflow\/([^/]+)$/, ([, id]) => ({
    id, name: "build", status: "success", created_at: "2026-01-01T00:00:00Z", stopped_at: "2026-01-01T00:01:00Z",
    pipeline_number: 7, project_slug: "gh/acme/shop", pipeline_id: randomUUID(),
  })],
  [/^POST \/api\/v2\/workflow\/([^/]+)\/rerun$/, () => ({ workflow_id: randomUUID() })],
  [/^GET \/api\/v2\/project\//, () => ({ slug: "gh/acme/shop", organization_name: "acme" })],
];

createServer((request, response) => {
  request.resume().on("end", () => {
    const path = request.url;
    const reply = (status, body) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (path === "/asked") return reply(200, asked);
    asked.push({ token: request.headers["circle-token"] ?? "", method: request.method, path });
    for (const [form, answer] of answers) {
      const found = form.exec(`${request.method} ${path}`);
      if (found) return reply(200, answer(found));
    }
    return reply(404, { message: "Not found." });
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
