import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const read = (...patterns: string[]) =>
  globSync(patterns, { cwd: root }).map((path) => readFileSync(join(root, path), "utf8"));
const sources = read("src/**/*.ts");
/** Too short a piece of a sentence to look for. */
const tellingChars = 10;

/** The codes of all errors that somebody foresaw. */
export function errorCodes(): Set<string> {
  const found = sources.flatMap((text) => [...text.matchAll(/(?:new ForeseenError|super)\(\s*"([a-z_]+)"/g)]);
  return new Set(found.map(([, code = ""]) => code));
}

/** The fixed words of every line that is logged as a warning or an error. */
export function warnings(): Set<string> {
  const calls = sources.flatMap((text) =>
    [...text.matchAll(/log\??\.(?:warn|error|fatal)\(/gi)].map(({ index, 0: { length } }) =>
      withDefinition(lastArgument(text, index + length), text),
    ),
  );
  return new Set(calls.flatMap(fixedWords));
}

/** Every sentence with which a template of the Helm chart ends the rendering; what is filled in is `…`. Throws for one that is not written in the template. */
export function chartRefusals(): Set<string> {
  const actions = read("charts/discord-agent/templates/**/*.*").flatMap((text) =>
    [...text.matchAll(/\{\{(?!-? ?\/\*)((?:"(?:\\.|[^"\\])*"|[^"])*?)\}\}/g)].map(([, action = ""]) => action),
  );
  const quoted = /"(?:\\.|[^"\\])*"/g;
  return new Set(
    actions
      .filter((action) => /\b(?:fail|required)\b/.test(action.replaceAll(quoted, "")))
      .map((action) => {
        const [sentence] = action.match(quoted) ?? [];
        if (sentence === undefined) throw new Error(`a refusal has no sentence of its own: ${action}`);
        return (JSON.parse(sentence) as string).replaceAll(/%[a-z]/g, "…");
      }),
  );
}

/** What stands between the last comma of a call and its end; `from` is behind its opening parenthesis. */
function lastArgument(text: string, from: number): string {
  let depth = 1;
  let begin = from;
  let quote = "";
  for (let at = from; at < text.length; at += 1) {
    const letter = text[at] ?? "";
    if (quote !== "") {
      if (letter === "\\") at += 1;
      else if (letter === quote) quote = "";
    } else if (/["'`]/.test(letter)) quote = letter;
    else if (/[([{]/.test(letter)) depth += 1;
    else if (/[)\]}]/.test(letter)) {
      depth -= 1;
      if (depth === 0) return text.slice(begin, at);
    } else if (letter === "," && depth === 1 && text.slice(at + 1).trimStart()[0] !== ")") begin = at + 1;
  }
  throw new Error("a call has no end");
}

/** What is only named is defined in the same file: a constant, or a function that makes the sentence. */
function withDefinition(expression: string, text: string): string {
  const [, name] = /^\s*(\w+)/.exec(expression) ?? [];
  const definition =
    name === undefined ? null : new RegExp(`^(?:const|(?:export )?function) ${name}\\b`, "m").exec(text);
  return definition === null ? expression : expression + text.slice(definition.index).split("\n\n")[0];
}

function fixedWords(expression: string): string[] {
  return [...expression.matchAll(/"([^"]*)"|`([^`]*)`/g)]
    .flatMap(([, plain, template]) => plain ?? (template ?? "").split(/\$\{[^}]*\}/))
    .map((words) => words.trim())
    .filter((words) => words.length >= tellingChars);
}
