// Says for every line (a JSON string) the words of a command, read by the letter of POSIX
// (Shell Command Language, 2.2 Quoting and 2.3 Token Recognition), or null where a shell would do
// more than to split: written apart from ours and without shlex's habits.
import { createInterface } from "node:readline";

const ACTS = new Set("|&;<>()$`*?[#~{}!\n".split(""));

function split(text) {
  const words = [];
  let word = null;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (c === " " || c === "\t") {
      if (word !== null) words.push(word);
      word = null;
    } else if (c === "\\") {
      i += 1;
      if (i >= text.length || text[i] === "\n") return null;
      word = (word ?? "") + text[i];
    } else if (c === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) return null;
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (c === '"') {
      word = word ?? "";
      for (i += 1; ; i += 1) {
        if (i >= text.length) return null;
        if (text[i] === '"') break;
        if (text[i] === "$" || text[i] === "`") return null;
        if (text[i] === "\\" && '$`"\\\n'.includes(text[i + 1] ?? "x")) i += 1;
        word += text[i];
      }
    } else if (ACTS.has(c) && !(word !== null && "#~".includes(c))) {
      return null;
    } else {
      word = (word ?? "") + c;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(split(JSON.parse(line))));
}
