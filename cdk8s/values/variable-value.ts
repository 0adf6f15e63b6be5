import * as z from "zod";
import { table, type Variable } from "../../src/config-variables.ts";

const inQuotes = "put it in quotes, or set it with --set-string: as a number it is rounded to another id";

/** A variable of the environment as a value: a text, or the number or boolean that is written as the same text; an id is a text. */
export function variableValue(name: keyof typeof table) {
  const { meaning, takes }: Variable<unknown> = table[name];
  // An id has more digits than a number of YAML and of Helm, which keeps 53 bits.
  const isId = /\bid\b/.test(takes);
  return z
    .unknown()
    .superRefine((value, context) => {
      if (!["string", "number", "boolean"].includes(typeof value)) context.addIssue("is no text, number or boolean");
      else if (typeof value === "number" && (isId || value > Number.MAX_SAFE_INTEGER)) context.addIssue(inQuotes);
    })
    .optional()
    .meta({ description: meaning, ...(isId ? idSchema(name) : { type: ["string", "number", "boolean"] }) });
}

/** Validators tell people which constant they wanted: the only sentence that JSON Schema lets one write. */
function idSchema(name: keyof typeof table) {
  const { type, pattern } = z.toJSONSchema(table[name].schema, { io: "input" });
  const refused = { type: "number", const: inQuotes };
  return { anyOf: [{ type, pattern: `^$|${pattern}` }, refused] };
}
