import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const file = join(import.meta.dirname, "..", "..", "charts", "discord-agent", "values.schema.json");

interface Schema {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly [word: string]: unknown;
}

const schema = JSON.parse(readFileSync(file, "utf8")) as Schema;
const at = (path: string) => path.split(".").reduce((node, field) => node.properties[field] as Schema, schema);

it("values.schema.json takes an id only as a text, and answers a number with what to do", () => {
  const sentence: unknown = expect.stringMatching(/^put it in quotes.*--set-string/);
  expect(at("config.TARGET_GUILD_ID")["anyOf"]).toEqual([
    { type: "string", pattern: "^$|^\\d{17,20}$" },
    // No number is this; Helm says: value must be '…'.
    { type: "number", const: sentence },
  ]);
});
