import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sectionOf, valuesSchema } from "../../cdk8s/values/values-schema.ts";
import { variables } from "../../src/config-variables.ts";
import { agentManifest } from "../../src/settings/agent-schema.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "operations", "tuning.md"), "utf8");
const fields = readFileSync(join(root, "docs", "reference", "agent.md"), "utf8");
/** Numbers that are no knobs. */
const notKnobs = new Set(["HEALTH_CHECK_PORT", "TARGET_GUILD_ID"]);

/** Every knob of the page's tables with the default that stands beside it. */
const knobs = [...page.matchAll(/^\| ((?:`[\w.]+`(?:, )?)+) \| ([^|]+) \|/gm)].flatMap(
  ([, names = "", defaults = ""]) => {
    const named = [...names.matchAll(/`([\w.]+)`/g)].map(([, name = ""]) => name);
    return named.map((name, i) => [name, defaults.split(", ")[i] ?? ""] as const);
  },
);

function at(value: unknown, path: string): unknown {
  return path.split(".").reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

/** A variable's, a chart value's or an Agent field's default, as the page writes it. */
function defaultOf(name: string): string {
  const variable = variables.find((one) => one.name === name);
  if (variable !== undefined) return variable.default ?? "unset";
  const manifest = { apiVersion: "discord-agent.dev/v1alpha1", kind: "Agent", metadata: { name: "a" } };
  const agent = agentManifest.parse({ ...manifest, spec: { displayName: "A", description: "a", prompt: "a" } });
  const found = at(name.startsWith("spec.") ? agent : valuesSchema.parse({}), name);
  if (found !== undefined) return JSON.stringify(found);
  if (fields.includes(`\n| \`${name}\` |`)) return "unset";
  throw new Error(`there is no knob ${name}`);
}

const named = new Set(knobs.map(([name]) => name));

describe("docs/operations/tuning.md", () => {
  it("has every variable that takes a number", () => {
    const numbers = variables.filter(({ name, takes }) => /number/.test(takes) && !notKnobs.has(name));
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
  });

  it.each(knobs)("names the default of %s: %s", (name, said) => expect(said).toBe(defaultOf(name)));

  it("says which of them the chart sets itself, where a cluster has no value for them", () => {
    const [, rest = ""] = page.split("## Not in a cluster\n");
    const [section = ""] = rest.split("\n## ");
    const ofTheChart = variables.filter(({ name }) => named.has(name) && sectionOf(name) === null);
    expect([...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)).toEqual(
      ofTheChart.map(({ name }) => name),
    );
  });

  it("says about what was measured: figures move with each measurement, and are mended when they are off by a third", () => {
    const cited = [...page.matchAll(/(\d+(?:\.\d+)?)([^|()`\d]*)\(`(\w+)\.([\w.]+)`\)/g)];
    expect(cited.length).toBeGreaterThan(10);
    for (const [whole, said = "", , bench = "", path = ""] of cited) {
      const file = readFileSync(join(root, "bench", "results", `${bench}.json`), "utf8");
      const measured = at((JSON.parse(file) as { figures: unknown }).figures, path);
      expect(Number(said) / Number(measured), whole).toBeGreaterThan(2 / 3);
      expect(Number(said) / Number(measured), whole).toBeLessThan(3 / 2);
    }
    expect(page.match(/\(`\w+\.[\w.]+`\)/g)).toHaveLength(cited.length);
  });
});
