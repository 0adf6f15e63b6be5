import type { Values } from "./values.ts";
import type { ValueSet } from "./values-schema.ts";

/** Values that are known: constructs over them make manifests for `kubectl apply`. */
export function literalValues(data: ValueSet): Values {
  const at = (path: string): unknown =>
    path.split(".").reduce<unknown>((value, field) => {
      if (typeof value !== "object" || value === null || !(field in value))
        throw new Error(`there is no value ${path}`);
      return (value as Record<string, unknown>)[field];
    }, data);
  return {
    value: at,
    unlessEmpty: (path) => (isTrue(at(path)) ? at(path) : undefined),
    pair: ({ literal }) => literal(),
    text: (...parts) => parts.map((part) => (typeof part === "string" ? part : part.literal())).join(""),
    when: ({ holds }, node) => (holds ? node : undefined),
    items: (list) => [...(typeof list === "string" ? (at(list) as unknown[]) : list.literal())],
    entries: (path) => at(path) as Record<string, unknown>,
    is: (path) => ({ template: "", holds: isTrue(at(path)) }),
    equals: (path, word) => ({ template: "", holds: at(path) === word }),
    at: (path) => ({ template: "", literal: () => String(at(path)) }),
  };
}

/** As Helm sees it: zero and everything empty are false. */
function isTrue(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
