import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { brokenRules } from "../../cdk8s/values/rules.ts";
import { fillIn, valuesSchema } from "../../cdk8s/values/values-schema.ts";
import { refusedSets } from "./value-sets.ts";

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

it("values.schema.json says of a variable what the process takes, as far as it has words for it", () => {
  const whole = { type: ["string", "integer"], minimum: 1, maximum: 256, pattern: "^$|^\\d+$" };
  expect(at("config.LANES")).toMatchObject(whole);
  expect(at("config.COLD_MEMORY_THRESHOLD")).toMatchObject({ type: ["string", "number"], minimum: 0, maximum: 1 });
  expect(at("settings.LOG_LEVEL")).toMatchObject({ type: ["string"], enum: expect.arrayContaining(["debug"]) as [] });
  expect(at("image.tag")).toMatchObject({ not: { const: "latest" } });
});

it.each(Object.entries(refusedSets))("%s is refused in these values, by its name", (name, values) => {
  expect(fillIn(values).error?.message).toContain(name.split(".").at(-1));
});

it.each([
  [{}, []],
  [{ POSTGRES_POOL_MIN_SIZE: 20 }, ["config.POSTGRES_POOL_MIN_SIZE"]],
  [{ POSTGRES_POOL_MIN_SIZE: "20", POSTGRES_POOL_MAX_SIZE: "" }, ["config.POSTGRES_POOL_MIN_SIZE"]],
  [{ POSTGRES_POOL_MIN_SIZE: "5", POSTGRES_POOL_MAX_SIZE: 4 }, ["config.POSTGRES_POOL_MIN_SIZE"]],
  [{ POSTGRES_POOL_MIN_SIZE: 20, POSTGRES_POOL_MAX_SIZE: 20 }, []],
  [{ POSTGRES_POOL_MIN_SIZE: 0, POSTGRES_POOL_MAX_SIZE: 1 }, []],
])("a pair that the process would refuse is a rule, because the chart cannot ask it: %o", (config, broken) => {
  const values = { ...valuesSchema.parse({}), config: { ENVIRONMENT: "production" as const, ...config } };
  expect(brokenRules(values).map(({ path }) => path.join("."))).toEqual(broken);
});
