/** A node of a JSON Schema, in the part of the language that both zod and Kubernetes speak. */
export type Schema = { readonly [key: string]: unknown };

/** What Kubernetes knows about a field and JSON Schema does not say: rules in CEL, and bounds that make them affordable. */
export type Additions = Readonly<Record<string, Schema>>;

/** A rule that the API server applies, and the sentence people read when it does: what is wrong, and what to do. */
export interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
}

const kept = new Set([
  "type",
  "description",
  "default",
  "enum",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
  "required",
]);

/**
 * Turns a JSON Schema into a structural one: every node has a type, and what Kubernetes does by itself (it refuses unknown fields) is left out.
 * Additions are keyed by path, such as `.spec.handoffs`. Throws for a word of JSON Schema that has no counterpart, and for an addition to no field.
 */
export function structuralSchema(schema: Schema, additions: Additions): Schema {
  const unused = new Set(Object.keys(additions));
  const result = convert(schema, "", additions, unused, false);
  if (unused.size > 0) throw new Error(`additions to fields that do not exist: ${[...unused].join(", ")}`);
  return result;
}

function convert(schema: Schema, path: string, additions: Additions, unused: Set<string>, inItems: boolean): Schema {
  const result: Record<string, unknown> = {};
  const inner = (child: unknown, name: string, items: boolean) =>
    convert(child as Schema, `${path}${name}`, additions, unused, items);
  for (const [word, value] of Object.entries(schema)) {
    if (word === "default" && inItems) throw new Error(`${path} has a default inside a list item`);
    if (kept.has(word)) result[word] = value;
    else if (word === "const") result["enum"] = [value];
    else if (word === "properties") {
      const fields = Object.entries(value as Schema).map(([name, child]) => [name, inner(child, `.${name}`, inItems)]);
      result[word] = Object.fromEntries(fields);
    } else if (word === "items") {
      result[word] = inner(value, "[]", true);
    } else if (word === "additionalProperties") {
      if (isSchema(value)) result[word] = inner(value, "{}", true);
    } else if (word !== "$schema" && word !== "propertyNames" && word !== "format") {
      throw new Error(`${path} uses ${word}, which a structural schema does not know`);
    }
  }
  unused.delete(path);
  return { ...result, ...additions[path] };
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}
