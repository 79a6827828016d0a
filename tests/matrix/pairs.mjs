// Which client can come how, and why some cannot. A reason is no excuse: what it says is held against
// the SDK or the gate before it is believed, so it falls when a release makes it untrue.

import { PLACES, ssePath, tokenOf } from "./places.mjs";

export const MODERN = "2026-07-28";

/** The ways to the gate. `job` says how a client takes one to a place. */
export const WAYS = {
  "HTTP, 2026-07-28": { era: "modern", transport: "http" },
  "HTTP, before": { era: "legacy", transport: "http" },
  "SSE": { era: "legacy", transport: "sse" },
  "stdio, 2026-07-28": { era: "modern", transport: "stdio" },
  "stdio, before": { era: "legacy", transport: "stdio" },
};

/** Why a pair is none: what is said of it, and whether that is so. */
const REASONS = {
  "no modern era": {
    says: ({ facts }) => `${facts.name} knows revisions up to ${facts.revisions.toSorted().at(-1)}`,
    holds: ({ facts }) => facts.revisions.length > 0 && !facts.revisions.includes(MODERN),
  },
  "no SSE client": {
    says: ({ facts }) => `${facts.name} has no client for the SSE transport`,
    holds: ({ facts }) => facts.transports.length > 0 && !facts.transports.includes("sse"),
  },
  "no SSE for all": {
    says: () => "the gate offers the SSE transport of 2024-11-05 for single servers, at `/sse/<server>`",
    holds: async ({ run, place }) => {
      const headers = { Authorization: `Bearer ${tokenOf(place.grant)}`, Accept: "text/event-stream" };
      const answer = await fetch(run.gate + ssePath(place.path), { headers, signal: AbortSignal.timeout(5_000) });
      return !answer.ok;
    },
  },
};

function reasonOf(facts, way, place) {
  if (way.era === "modern" && !facts.revisions.includes(MODERN)) return "no modern era";
  if (way.transport === "sse" && !facts.transports.includes("sse")) return "no SSE client";
  if (way.transport === "sse" && place.path === "/mcp") return "no SSE for all";
  return undefined;
}

function job(run, client, id, way, place) {
  const told = { id, era: way.era, transport: way.transport, prefix: place.prefix };
  const token = tokenOf(place.grant);
  if (place.path === undefined) {
    const options = ["--policy", `${run.work}/policy.json`, "--label", `${client.replace(/\W/g, "")}-${way.era}`, "--data-dir", `${run.work}/wrapped`];
    const command = [run.binary, "wrap", ...options, "--", ...run.childCommand];
    return { ...told, command, env: { PATH: process.env.PATH } };
  }
  if (way.transport === "sse") return { ...told, url: run.gate + ssePath(place.path), token };
  if (way.transport !== "stdio") return { ...told, url: run.gate + place.path, token };
  return { ...told, command: [run.binary, "stdio", "--url", run.gate + place.path], env: { PORTREEVE_TOKEN: token } };
}

/** Every pair of this client with a way and a place: a job, or the reason why there is none. */
export async function pairs(run, client, facts) {
  const found = [];
  for (const [wayName, way] of Object.entries(WAYS)) {
    for (const [placeName, place] of Object.entries(PLACES)) {
      if (place.path === undefined && way.transport !== "stdio") continue;
      const id = `${client}, ${wayName}, ${placeName}`;
      const pair = { id, client, way: wayName, place: placeName, era: way.era };
      pair.prefixes = [place.prefix, ...(place.beside ?? [])];
      const name = reasonOf(facts, way, place);
      if (name === undefined) pair.job = job(run, client, id, way, place);
      else {
        const given = { facts, run, way, place };
        pair.reason = REASONS[name].says(given);
        pair.holds = await REASONS[name].holds(given);
      }
      found.push(pair);
    }
  }
  return found;
}
