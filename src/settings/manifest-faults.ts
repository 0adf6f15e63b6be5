import * as z from "zod";
import { agentManifest } from "./agent-schema.ts";

export type Path = readonly (string | number)[];

/** A fault that knows its field and not yet its line. */
export interface FieldFault {
  readonly path: Path;
  readonly problem: string;
  readonly remedy: string;
}

/** What the schema says against `value`, in sentences; empty when it is an Agent manifest. */
export function manifestFaults(value: unknown): FieldFault[] {
  const result = agentManifest.safeParse(value);
  const faults = result.success ? [] : result.error.issues.flatMap((issue) => fieldFaults(issue, value));
  const foreign = valueAt(value, ["kind"]) === undefined ? undefined : faults.find(({ path }) => path[0] === "kind");
  return foreign ? [{ ...foreign, remedy: "Keep Agent manifests alone in this place" }] : faults;
}

type Issue = z.core.$ZodIssue;

function fieldFaults(issue: Issue, value: unknown): FieldFault[] {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownField(path, key));
  return [
    { path, problem: problemOf(issue, valueAt(value, path)), remedy: remedyFor(issue, path, valueAt(value, path)) },
  ];
}

function unknownField(parent: Path, key: string): FieldFault {
  const schema = layersAt(parent).at(-1);
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const close = nearest(key, known);
  const place = parent.length === 0 ? "an Agent manifest" : fieldName(parent);
  return {
    path: [...parent, key],
    problem: `is not a field of ${place}`,
    remedy: close === null ? `Remove it; the fields are ${known.join(", ")}` : `Did you mean ${close}?`,
  };
}

function problemOf(issue: Issue, value: unknown): string {
  if (value === undefined || value === null) return "is missing";
  // Only rules over several fields have words of their own.
  if (issue.code === "custom" && issue.params !== undefined) return issue.message;
  if (issue.code === "invalid_type")
    return `is ${kindOf(value)} where ${expectedWords[issue.expected] ?? "something else"} is expected`;
  if (issue.code === "invalid_value") {
    return typeof value === "string" && value.length <= 60
      ? `is ${JSON.stringify(value)}`
      : "is not one of the expected words";
  }
  const unit = typeof value === "string" ? " characters" : Array.isArray(value) ? " items" : "";
  if (issue.code === "too_big") return `is more than ${issue.maximum}${unit}`;
  if (issue.code === "too_small") return unit === "" ? `is less than ${issue.minimum}` : "is empty";
  return "has another form than expected";
}

function remedyFor(issue: Issue, path: Path, value: unknown): string {
  if (issue.code === "invalid_type" && issue.expected === "string" && ["number", "boolean"].includes(typeof value)) {
    return "Put it in quotes";
  }
  if (issue.code === "custom" && typeof issue.params?.["remedy"] === "string") return issue.params["remedy"];
  for (let length = path.length; length > 0; length -= 1) {
    const description = descriptionAt(path.slice(0, length));
    if (description)
      return `${value === undefined && length === path.length ? "Add" : "Give"} ${fieldName(path.slice(0, length))}: ${description}`;
  }
  return `Begin with apiVersion: discord-agent.dev/v1alpha1 and kind: Agent`;
}

const expectedWords: Readonly<Record<string, string>> = {
  string: "text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  object: "a mapping",
  record: "a mapping",
  array: "a list",
};

function kindOf(value: unknown): string {
  if (typeof value === "boolean") return String(value);
  return expectedWords[Array.isArray(value) ? "array" : typeof value] ?? typeof value;
}

/** The value of a field; undefined where the path leads nowhere. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null ? Reflect.get(at, part) : undefined),
    value,
  );
}

/** The schema of a field with its wrappers (optional, default), the outermost first; empty where the path leaves it. */
function layersAt(path: Path): z.core.$ZodType[] {
  let layers = unwrapped(agentManifest);
  for (const part of path) layers = unwrapped(child(layers.at(-1), part));
  return layers;
}

function child(schema: z.core.$ZodType | undefined, part: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return (schema.shape as Record<string, z.core.$ZodType>)[part];
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}

function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType[] {
  if (schema === undefined) return [];
  const isWrapper =
    schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  return isWrapper ? [schema, ...unwrapped(schema.unwrap())] : [schema];
}

function descriptionAt(path: Path): string | undefined {
  return layersAt(path)
    .map((schema) => z.globalRegistry.get(schema)?.description)
    .find((text) => text !== undefined);
}

/** `spec.handoffs[0]`. */
export function fieldName(path: Path): string {
  return path.map((part, i) => (typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${part}`)).join("");
}

/** The known word that was probably meant: the one with the fewest edits, at most a third of its letters. */
export function nearest(word: string, known: readonly string[]): string | null {
  const ranked = known
    .map((candidate) => ({ candidate, distance: edits(word.toLowerCase().slice(0, 64), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.ceil(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate ?? null;
}

function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
