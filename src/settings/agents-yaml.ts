import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Document } from "yaml";
import { asError, type Fault } from "../errors.ts";
import { agentManifest, type AgentManifest } from "./agent-schema.ts";
import { readingFaults } from "./kubectl-readings.ts";
import { fieldName, manifestFaults, valueAt, type Path } from "./manifest-faults.ts";

/** One document (or one item of a List) of a manifest file. */
export interface FoundManifest {
  readonly file: string;
  readonly name: string | null;
  /** Null when it is refused. */
  readonly manifest: AgentManifest | null;
  /** The value of a field as it was written, also in a manifest that is refused. */
  get(path: Path): unknown;
  /** Where a field is: `agents.yaml:14 spec.handoffs[0]`. */
  at(path: Path): string;
}

/** Reads the Agent manifests of one file's text, and every fault of every document. Never throws. */
export function parseManifests(file: string, text: string): { found: FoundManifest[]; faults: Fault[] } {
  const lines = new LineCounter();
  const faults: Fault[] = [];
  const found: FoundManifest[] = [];
  try {
    // Keys stay strings: a channel id is too large for a number and would come back as another id.
    const options = { lineCounter: lines, prettyErrors: false, stringKeys: true, merge: true };
    const documents = parseAllDocuments(text, options);
    for (const document of "empty" in documents ? [] : documents) {
      faults.push(...syntaxFaults(file, document, lines));
      if (document.errors.length > 0 || document.contents === null) continue;
      for (const { path, offset, problem, remedy } of readingFaults(document)) {
        const where = `${file}:${lines.linePos(offset).line} ${fieldName(path)}`.trim();
        faults.push({ where, problem, remedy });
      }
      const value: unknown = withoutNulls(document.toJS());
      if (value === undefined) continue;
      for (const { prefix, item } of itemsOf(value)) {
        const at = (path: Path) => {
          const whole = [...prefix, ...path];
          return `${file}:${lineOf(document, lines, whole)} ${fieldName(whole)}`.trim();
        };
        faults.push(...manifestFaults(item).map(({ path, problem, remedy }) => ({ where: at(path), problem, remedy })));
        found.push(foundManifest(file, item, at));
      }
    }
  } catch (error) {
    // An alias bomb, an alias of nothing, a nesting deeper than the stack: the parser throws for these.
    faults.push({
      where: file,
      problem: `cannot be read as YAML (${asError(error).message})`,
      remedy: "Write it plainly, without deep nesting and without chains of aliases",
    });
  }
  return { found: found.filter((one) => (one.get(["kind"]) ?? "Agent") === "Agent"), faults };
}

/** A manifest that was read already; `at` says where a field of it is. */
export function foundManifest(file: string, value: unknown, at: FoundManifest["at"]): FoundManifest {
  const parsed = agentManifest.safeParse(value);
  const name = valueAt(value, ["metadata", "name"]);
  return {
    file,
    name: typeof name === "string" ? name : null,
    manifest: parsed.success ? parsed.data : null,
    get: (path) => valueAt(value, path),
    at,
  };
}

function syntaxFaults(file: string, document: Document, lines: LineCounter): Fault[] {
  return document.errors.slice(0, 10).map(({ pos, message }) => ({
    where: `${file}:${lines.linePos(pos[0]).line}`,
    problem: `is not YAML: ${message}`,
    remedy: "Look at this line and the one above it: indentation, quotes, brackets, a key written twice",
  }));
}

/** `kubectl get agents -o yaml` writes a List; it is taken for its items. */
function itemsOf(value: unknown): { prefix: Path; item: unknown }[] {
  if (typeof value === "object" && value !== null && "kind" in value && "items" in value) {
    const { kind, items } = value;
    if ((kind === "List" || kind === "AgentList") && Array.isArray(items)) {
      return items.map((item: unknown, index) => ({ prefix: ["items", index], item }));
    }
  }
  return [{ prefix: [], item: value }];
}

/** A key without a value counts as absent, as it does for the API server. */
function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map((item: unknown) => (item === null ? null : withoutNulls(item)));
  if (typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) => (field === null ? [] : [[key, withoutNulls(field)]])),
  );
}

/** The line of a field, or of the nearest thing around it when it is missing. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === part);
      if (!pair || !isScalar(pair.key)) break;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === "number") {
      const item: unknown = node.items[part];
      if (typeof item === "object" && item !== null && "range" in item && Array.isArray(item.range))
        offset = Number(item.range[0]);
      node = item;
    } else break;
  }
  return lines.linePos(offset).line;
}
