// Says for every line (a JSON string) which host and port Node's URL reads in it, or null.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  let answer = null;
  try {
    const url = new URL(JSON.parse(line));
    answer = { scheme: url.protocol, host: url.hostname, port: url.port, user: url.username + url.password };
  } catch {
    // Not a URL to Node.
  }
  console.log(JSON.stringify(answer));
}
