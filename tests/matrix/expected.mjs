// What each feature must have brought. The clients only say what they saw.

import { MODERN } from "./pairs.mjs";

const STEPS = [0, 50, 100].map((step) => [step, 100, `Completed step ${step} of 100`]);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** What was agreed to; in which order an SDK puts the members is its own affair. */
function agreed(words) {
  const content = words.match(/^Elicitation completed: action=accept, content=(.*)$/)?.[1];
  return content === undefined ? [] : Object.entries(JSON.parse(content)).toSorted();
}

/** By feature: what is wrong with what was seen, if anything. */
const WRONG = {
  era: (seen, { era }) => (era === "modern") !== (seen === MODERN) || !/^\d{4}-\d\d-\d\d$/.test(seen),
  list: (seen, { prefixes }, listed) =>
    !same(seen.toSorted(), prefixes.flatMap((prefix) => listed.map((name) => prefix + name)).toSorted()),
  call: (seen) => seen !== "This is a simple text response for testing.",
  // The last step may come in one read with the result, and some SDKs then lose it.
  progress: (seen) => seen.length < 2 || !same(seen, STEPS.slice(0, seen.length)),
  cancel: (seen) => !same(seen, { ended: "ended", server: "given up" }),
  sampling: (seen) => !same(seen, { asked: "grüße 🚢", said: "LLM response: heard: grüße 🚢" }),
  elicitation: (seen) =>
    !same(seen.asked?.toSorted(), ["Who is there?", "email", "username"]) ||
    !same(agreed(seen.said), [["email", "ole@example.com"], ["username", "ole"]]),
};

export const FEATURES = Object.keys(WRONG);

/** What failed of one feature of one pair; `said` is what the client said of it, or nothing. */
export function problem(pair, feature, said, listed) {
  if (said === undefined) return "the client said nothing of it";
  if (said.failed !== undefined) return said.failed;
  return WRONG[feature](said.seen, pair, listed) ? `saw ${JSON.stringify(said.seen)}` : undefined;
}
