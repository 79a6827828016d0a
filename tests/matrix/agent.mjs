// The official TypeScript clients, both lines: does what the matrix asks and says what it saw. It judges
// nothing.
//
// usage: node agent.mjs ts1|ts2 facts      what this SDK is and can
//        node agent.mjs ts1|ts2 matrix     jobs on stdin, one JSON array; what was seen on stdout, as lines

import { createRequire } from "node:module";
import { text as all } from "node:stream/consumers";

const KINDS = { ts1: "./agent_ts1.mjs", ts2: "./agent_ts2.mjs" };
const AT_ONCE = 4;
const [kind, what] = process.argv.slice(2);
const sdk = await import(KINDS[kind]);

const said = (answer) => {
  if (answer.isError) throw new Error(`an error as result: ${JSON.stringify(answer)}`);
  return answer.content.map((part) => part.text).join("\n");
};

/** What the matrix asks for, with one connection. */
const FEATURES = {
  era: ({ client, transport }) => sdk.revision(client, transport),
  list: async ({ client }) => {
    const names = [];
    let cursor;
    do {
      const page = await client.listTools(cursor === undefined ? undefined : { cursor });
      names.push(...page.tools.map((tool) => tool.name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return names;
  },
  call: async ({ call }) => said(await call("test_simple_text", {})),
  progress: async ({ call }) => {
    // What comes in one read with the result is lost: these SDKs let go of the listener first. On a busy
    // machine that can be nearly all, so it is tried again.
    let steps = [];
    for (let tries = 0; tries < 5 && steps.length < 2; tries++) {
      steps = [];
      const onprogress = ({ progress, total, message }) => steps.push([progress, total, message]);
      await call("test_tool_with_progress", {}, { onprogress });
    }
    return steps;
  },
  cancel: async ({ call, job }) => {
    const end = new AbortController();
    const onprogress = () => end.abort(new Error("enough"));
    const ended = await call("test_cancellation", { label: job.id }, { signal: end.signal, onprogress }).then(
      () => "answered",
      () => (end.signal.aborted ? "ended" : "failed before it was cancelled"),
    );
    return { ended, server: said(await call("test_given_up", { label: job.id })) };
  },
  sampling: async ({ call, asked }) => {
    const answer = said(await call("test_sampling", { prompt: "grüße 🚢" }));
    return { asked: asked.sampling.messages[0].content.text, said: answer };
  },
  elicitation: async ({ call, asked }) => {
    const answer = said(await call("test_elicitation", { message: "Who is there?" }));
    const { message, requestedSchema } = asked.elicitation;
    return { asked: [message, ...Object.keys(requestedSchema.properties)], said: answer };
  },
};

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function connected(job) {
  const asked = {};
  const client = sdk.make(job.era, {
    sampling: (params) => {
      asked.sampling = params;
      const text = `heard: ${params.messages[0].content.text}`;
      return { model: "none", role: "assistant", content: { type: "text", text } };
    },
    elicitation: (params) => {
      asked.elicitation = params;
      return { action: "accept", content: { username: "ole", email: "ole@example.com" } };
    },
  });
  const transport = sdk.transport(job);
  await client.connect(transport);
  const call = (name, given, options = {}) =>
    sdk.call(client, { name: `${job.prefix}${name}`, arguments: given }, { timeout: 15_000, ...options });
  return { client, transport, call, asked, job };
}

async function run(job) {
  let connection;
  try {
    connection = await connected(job);
  } catch (error) {
    return tell({ id: job.id, feature: "connect", failed: String(error.stack ?? error) });
  }
  for (const [feature, use] of Object.entries(FEATURES)) {
    try {
      tell({ id: job.id, feature, seen: await use(connection) });
    } catch (error) {
      tell({ id: job.id, feature, failed: String(error.stack ?? error) });
    }
  }
  await connection.client.close();
}

if (what === "facts") {
  const { version } = createRequire(import.meta.url)(`./node_modules/${sdk.PACKAGE}/package.json`);
  tell({ name: `${sdk.PACKAGE} ${version}`, revisions: sdk.REVISIONS, transports: sdk.TRANSPORTS });
} else {
  const jobs = JSON.parse(await all(process.stdin));
  const worker = async () => {
    while (jobs.length > 0) await run(jobs.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
