import { entriesMark } from "./template-values.ts";

type Tree = Readonly<Record<string, unknown>>;

const words = /^[A-Za-z/][\w./-]*( [\w./-]+)*$/;
const reserved = /^(?:true|false|null|yes|no|on|off|y|n|nan|inf)$/i;

/**
 * An object of Kubernetes as a template of Helm: placeholders become actions, the rest is YAML. `before` is text of a template that holds where the condition does.
 * Throws where YAML would depend on what is left out.
 */
export function templateText(object: Tree, condition: string | null, before = ""): string {
  const body = `${before}---\n${lines(object, 0).join("\n")}\n`;
  return condition === null ? body : `{{- if ${condition} }}\n${body}{{- end }}\n`;
}

/** The lines of a map or a list, indented. */
function lines(node: Tree | readonly unknown[], depth: number): string[] {
  const isList = Array.isArray(node);
  const children: readonly (readonly [string | null, unknown])[] = isList
    ? node.map((item: unknown) => [null, item] as const)
    : Object.entries(node as Tree);
  if (!children.some(([key, child]) => !isOptional(key, child))) {
    throw new Error(`nothing in ${JSON.stringify(node)} is always there: it could become null`);
  }
  return children.flatMap(([key, child]) => entry(key, child, depth));
}

function isOptional(key: string | null, child: unknown): boolean {
  return Boolean(key?.startsWith(entriesMark)) || (isTree(child) && ("$when" in child || "$items" in child));
}

/** The lines of one child: of a map with its key, of a list with its dash. */
function entry(key: string | null, child: unknown, depth: number): string[] {
  const indent = "  ".repeat(depth);
  if (key?.startsWith(entriesMark)) {
    const range = `{{- range $key, $value := ${key.slice(entriesMark.length)} }}`;
    return [range, `${indent}{{ toJson $key }}: {{ toJson $value }}`, "{{- end }}"].map(trimmed(indent));
  }
  if (isTree(child) && "$when" in child) {
    const inner = entry(key, child["$node"], depth);
    return [`${indent}{{- if ${String(child["$when"])} }}`, ...inner, `${indent}{{- end }}`];
  }
  if (isTree(child) && "$items" in child) {
    return [`${indent}{{- range ${String(child["$items"])} }}`, `${indent}- {{ toJson . }}`, `${indent}{{- end }}`];
  }
  const lead = key === null ? "-" : `${scalar(key)}:`;
  if (isLeaf(child)) return [`${indent}${lead} ${leaf(child)}`];
  if (key !== null) return [`${indent}${lead}`, ...lines(child as Tree, depth + 1)];
  return dashed(lines(child as Tree, depth + 1), depth);
}

const trimmed = (indent: string) => (line: string) => (line.startsWith(indent) ? line : indent + line);

/** Puts the dash of a list item before the first line of its map, or on a line of its own where that line is an action. */
function dashed(inner: string[], depth: number): string[] {
  const indent = "  ".repeat(depth);
  const [first = "", ...rest] = inner;
  if (first.trimStart().startsWith("{{-") || first.trimStart().startsWith("-")) return [`${indent}-`, ...inner];
  return [`${indent}- ${first.trimStart()}`, ...rest];
}

function isLeaf(node: unknown): boolean {
  if (Array.isArray(node)) return node.length === 0;
  return !isTree(node) || "$inline" in node || Object.keys(node).length === 0;
}

function leaf(node: unknown): string {
  if (Array.isArray(node)) return "[]";
  if (isTree(node)) return "$inline" in node ? `{{ ${String(node["$inline"])} }}` : "{}";
  return typeof node === "string" ? scalar(node) : JSON.stringify(node);
}

/** Text that means something to Helm is given to it as a text. */
function scalar(text: string): string {
  if (text.includes("{{")) return `{{ toJson ${JSON.stringify(text)} }}`;
  return words.test(text) && !reserved.test(text) ? text : JSON.stringify(text);
}

function isTree(node: unknown): node is Tree {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}
