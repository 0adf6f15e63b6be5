import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { variables } from "../../src/config-variables.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "operations", "tuning.md"), "utf8");
/** Numbers that are no knobs, and words that are. */
const notKnobs = new Set(["HEALTH_CHECK_PORT", "TARGET_GUILD_ID"]);

it("docs/operations/tuning.md has every variable that takes a number, with its default", () => {
  const numbers = variables.filter(({ name, takes }) => /number/.test(takes) && !notKnobs.has(name));
  expect(numbers.length).toBeGreaterThan(20);
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  const missing = numbers.filter(
    (one) => !rows.some((row) => row.includes(`\`${one.name}\``) && row.includes(one.default ?? "unset")),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});
