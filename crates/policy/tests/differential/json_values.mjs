// Says for every line (a JSON string with a JSON text in it) which values Node reads in the text.
import { createInterface } from "node:readline";

function told(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return ["text", value];
  if (typeof value === "number") {
    const bytes = Buffer.alloc(8);
    // There are two zeros, and one is meant.
    bytes.writeDoubleBE(value + 0);
    return ["number", bytes.toString("hex")];
  }
  if (Array.isArray(value)) return ["list", value.map(told)];
  const names = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return ["object", names.map((name) => [name, told(value[name])])];
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(told(JSON.parse(JSON.parse(line)))));
}
