// Says for every line (a JSON string) the normal form of a path by Node's own rules.
import { posix } from "node:path";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(posix.normalize(JSON.parse(line))));
}
