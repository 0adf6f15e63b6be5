import * as z from "zod";
import { table, type Variable } from "../../src/config-variables.ts";
import { readConfig } from "../../src/config.ts";
import { Misconfigured, type Fault } from "../../src/errors.ts";

type Name = keyof typeof table;

const inQuotes = "put it in quotes, or set it with --set-string: as a number it is rounded to another id";

/** An id has more digits than a number of YAML and of Helm, which keeps 53 bits. */
const isId = (name: Name) => /\bid\b/.test(table[name].takes);

/** A variable of the environment as a value: a text, or the number or boolean that is written as the same text; an id is a text. */
export function variableValue(name: Name) {
  return z
    .unknown()
    .superRefine((value, context) => {
      if (!["string", "number", "boolean"].includes(typeof value)) context.addIssue("is no text, number or boolean");
      else if (typeof value === "number" && (isId(name) || value > Number.MAX_SAFE_INTEGER)) context.addIssue(inQuotes);
    })
    .optional()
    .meta({ description: table[name].meaning, ...jsonSchema(name) });
}

/** What JSON Schema can say of what a variable takes: the form of a text and the bounds of a number. */
function jsonSchema(name: Name): object {
  const { schema }: Variable<unknown> = table[name];
  const { pattern, enum: words } = z.toJSONSchema(schema, { io: "input" });
  const { type, minimum = 0, maximum } = z.toJSONSchema(schema, { unrepresentable: "any" });
  // Empty means unset.
  const form = { ...(pattern && { pattern: `^$|${pattern}` }), ...(words && { enum: ["", ...words] }) };
  const takes = (text: string) => schema.safeParse(text).success;
  // Validators tell people which constant they wanted: the only sentence that JSON Schema lets one write.
  if (isId(name))
    return {
      anyOf: [
        { type: "string", ...form },
        { type: "number", const: inQuotes },
      ],
    };
  const types = ["string", ...(takes("true") ? ["boolean"] : [])];
  if (type === "number") return { type: [...types, takes("0.5") ? "number" : "integer"], minimum, maximum, ...form };
  return { type: takes("1") ? [...types, "number"] : types, ...form };
}

/** Values of variables as texts, as the process reads them. */
export function textsOf(data: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : JSON.stringify(value)]],
    ),
  );
}

/** What the process would refuse of them at its start. */
export function faultsOf(data: Readonly<Record<string, unknown>>): readonly Fault[] {
  try {
    readConfig(textsOf(data));
    return [];
  } catch (error) {
    if (error instanceof Misconfigured) return error.faults;
    throw error;
  }
}
