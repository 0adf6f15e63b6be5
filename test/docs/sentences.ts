import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const read = (...patterns: string[]) =>
  globSync(patterns, { cwd: root }).map((path) => readFileSync(join(root, path), "utf8"));
const sources = read("src/**/*.ts");
/** Faults of a file of agents are said as those of a variable are. */
const settingsOfTheCluster = "src/settings/!(agents-file|agents-yaml|file-settings).ts";
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
      withDefinition(argumentsOf(text, index + length).at(-1) ?? "", text),
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

/** The fixed words of every fault that a condition of an Agent may hold. */
export function conditionFaults(): Set<string> {
  const faults = read(settingsOfTheCluster).flatMap((text) => [
    ...argumentsOfAll(/\b(?:problem(?: =|:)|message:)\s/g, text).map(([problem = ""]) => withDefinition(problem, text)),
    ...argumentsOfAll(/\bfault\(/g, text).map(([, problem = ""]) => problem),
  ]);
  const conditions = read("src/cluster/agent-status.ts").flatMap((text) => [
    withDefinition("servingCondition", text),
    ...argumentsOfAll(/\bcondition\(/g, text).map(([, isTrue, , message = ""]) => (isTrue === "true" ? "" : message)),
  ]);
  return new Set([...faults, ...conditions].flatMap(fixedWords).filter((words) => words.includes(" ")));
}

function argumentsOfAll(calls: RegExp, text: string): string[][] {
  return [...text.matchAll(calls)].map(({ index, 0: { length } }) => argumentsOf(text, index + length));
}

/** What stands between the commas of a call, an object or a statement, until it ends; `from` is behind its opening parenthesis. */
function argumentsOf(text: string, from: number): string[] {
  const found: string[] = [];
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
    else if (/[)\]}]/.test(letter)) depth -= 1;
    const isEnd = quote === "" && (depth === 0 || (depth === 1 && letter === ";"));
    if (isEnd || (quote === "" && depth === 1 && letter === ",")) {
      found.push(text.slice(begin, at).trim());
      begin = at + 1;
    }
    if (isEnd) return found.filter((argument) => argument !== "");
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
