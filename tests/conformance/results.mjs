// What the suite found, and whether two findings are the same.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Notes of what went over the wire, which are no checks. */
const NOTES = new Set(["outgoing-request", "incoming-response", "incoming-sse-event", "stream-closed"]);

/** The checks of every scenario that a run left in `directory`. */
export function read(directory) {
  const scenarios = new Map();
  for (const entry of readdirSync(directory).sort()) {
    const name = entry.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");
    const checks = JSON.parse(readFileSync(join(directory, entry, "checks.json"), "utf8"));
    scenarios.set(name, checks.filter((check) => !NOTES.has(check.id)));
  }
  return scenarios;
}

const all = (scenarios) => [...scenarios.values()].flat();
export const count = (scenarios, status) => all(scenarios).filter((check) => check.status === status).length;

/** Checks by their id and name, each with the statuses it got; one that ran often has many. */
function statuses(checks) {
  const found = new Map();
  for (const { id, name, status } of checks) {
    const key = `${id} (${name})`;
    found.set(key, [...(found.get(key) ?? []), status]);
  }
  return found;
}

/**
 * How a scenario's checks differ from those they are held against, and what failed among them.
 * `unlike` has the ids of checks that are meant to come out otherwise, and how.
 */
export function differences(expected, found, unlike = {}) {
  const meant = ({ id, status, ...rest }) => ({ id, status: unlike[id] ?? status, ...rest });
  const [should, is] = [statuses(expected.map(meant)), statuses(found)];
  const told = [];
  for (const key of new Set([...should.keys(), ...is.keys()])) {
    const [before, now] = [should, is].map((by) => (by.get(key) ?? ["absent"]).join(" "));
    if (before !== now) told.push(`${key}: should be ${before}, is ${now}`);
  }
  for (const { id, status, errorMessage } of found.filter(({ id }) => !(id in unlike))) {
    if (status === "FAILURE" || status === "WARNING") told.push(`${id}: ${status}: ${errorMessage ?? ""}`);
  }
  return told;
}
