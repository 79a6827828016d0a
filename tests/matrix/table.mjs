// The result as a page shows it, and whether the page shows this result.

import { readFileSync, writeFileSync } from "node:fs";

import { PLACES } from "./places.mjs";

const [BEGIN, END] = ["<!-- generated: tests/matrix/run --write -->", "<!-- end -->"];
/** The line that another day alone makes another. */
const dated = (versions) => `${new Date().toISOString().slice(0, 10)}: ${versions}.`;
const DATE = /^\d{4}-\d\d-\d\d(?=: )/m;

function cell(pair, notes) {
  if (pair === undefined) return "";
  if (pair.reason !== undefined) {
    if (!notes.includes(pair.reason)) notes.push(pair.reason);
    return `– (${notes.indexOf(pair.reason) + 1})`;
  }
  return pair.failed.length === 0 ? "✓" : `not ${pair.failed.join(", ")}`;
}

/** The text between the markers. */
function written(clients, found, versions) {
  const places = Object.keys(PLACES);
  const notes = [];
  const lines = [`| client | comes over | ${places.join(" | ")} |`, `|---|---|${":-:|".repeat(places.length)}`];
  for (const { client, name, ways } of clients) {
    for (const way of ways) {
      const cells = places.map((place) => cell(found.find((p) => p.client === client && p.way === way && p.place === place), notes));
      lines.push(`| ${name} | ${way} | ${cells.join(" | ")} |`);
    }
  }
  const why = notes.map((note, i) => `${i + 1}. ${note}.`);
  return [dated(versions), "", ...lines, "", ...why].join("\n");
}

/** Writes the page, or says how it differs from this result. */
export function page(path, write, ...result) {
  const text = written(...result);
  const old = readFileSync(path, "utf8");
  const [begin, end] = [old.indexOf(BEGIN), old.indexOf(END)];
  if (begin < 0 || end < begin) return `${path} has no place for the table`;
  if (write) writeFileSync(path, `${old.slice(0, begin)}${BEGIN}\n${text}\n${old.slice(end)}`);
  const shown = old.slice(begin + BEGIN.length, end).trim();
  const undated = (words) => words.replace(DATE, "");
  if (write || undated(shown) === undated(text)) return undefined;
  return `${path} shows another result: look at it, then run tests/matrix/run with --write`;
}
