// The processes that a run starts, their ports and their ends.

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";

const running = [];

/** Ends all that was started. */
export const stopAll = () => running.forEach((child) => child.kill());
process.on("exit", stopAll);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** Starts `command`; what it says goes to `NAME.log` in the folder `work`. */
export function start(work, name, command, ...args) {
  const log = openSync(join(work, `${name}.log`), "w");
  const child = spawn(command, args, { stdio: ["ignore", log, log], cwd: work });
  running.push(child);
  return child;
}

/** A port that nobody has, of those that the system gives to nobody by itself. */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.on("error", () => resolve(false)).listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** Looks until `look` gives something, which it resolves with; throws after ten seconds what `name` has said. */
async function until(work, name, look) {
  const log = () => readFileSync(join(work, `${name}.log`), "utf8");
  for (let tries = 0; tries < 200; tries++) {
    const seen = await look(log);
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} is not ready: ${log()}`);
}

/** Resolves when something listens. */
export const listening = (work, port, name) =>
  until(work, name, () => {
    const socket = connect(port, "127.0.0.1");
    return new Promise((resolve) => {
      socket.on("connect", () => (socket.destroy(), resolve(true))).on("error", () => resolve(false));
    });
  });

/** Resolves with what `words` finds in what a process says. */
export const said = (work, name, words) => until(work, name, async (log) => log().match(words));
