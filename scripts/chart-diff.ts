import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { parseAllDocuments } from "yaml";
import { literalObjects } from "../cdk8s/emit.ts";
import { releaseObjects } from "../cdk8s/release.ts";
import { literalValues } from "../cdk8s/values/literal-values.ts";
import { fillIn } from "../cdk8s/values/values-schema.ts";
import { refusedSets, valueSets } from "../test/manifests/value-sets.ts";

type Manifest = Readonly<Record<string, unknown>> & { readonly metadata: { readonly name: string } };

const chart = join(import.meta.dirname, "..", "charts", "discord-agent");
const rounds = Number(process.argv[2] ?? 100);
const seed = Number(process.argv[3] ?? 1);
const folder = mkdtempSync(join(tmpdir(), "chart-diff-"));
const { version } = JSON.parse(readFileSync(join(chart, "..", "..", "package.json"), "utf8")) as { version: string };

/** What Helm renders, by what names an object. */
function rendered(values: unknown): Record<string, Manifest> {
  const file = join(folder, "values.json");
  writeFileSync(file, JSON.stringify(values));
  const args = ["template", "some", chart, "--namespace", "ours", "--kube-version", "1.34", "--values", file];
  const objects = parseAllDocuments(
    execFileSync("helm", args, { encoding: "utf8", maxBuffer: 1 << 26, stdio: "pipe" }),
    {
      version: "1.1",
    },
  );
  const ours = objects
    .map((document) => document.toJS() as Manifest | null)
    .filter((object) => object !== null && object["kind"] !== "CustomResourceDefinition" && object["kind"] !== "Pod");
  return named(ours as Manifest[]);
}

/** What Helm says of them; empty where it renders them. */
function refusedByChart(values: unknown): string {
  try {
    rendered(values);
    return "";
  } catch (error) {
    return (error as { stderr?: string }).stderr ?? "";
  }
}

function synthesized(values: unknown): Record<string, Manifest> {
  const { data, error } = fillIn(values);
  if (data === undefined) throw error;
  const release = { name: "some", namespace: "ours", version, manager: "Helm" };
  const objects = literalObjects(releaseObjects(literalValues(data), release, data));
  return named([...objects, ...data.extraManifests] as Manifest[]);
}

const named = (objects: readonly Manifest[]) =>
  Object.fromEntries(objects.map((object) => [`${String(object["kind"])}/${object.metadata.name}`, object]));

/** Where the two differ, and what each says there. */
function differences(left: unknown, right: unknown, path: string): string[] {
  if (isDeepStrictEqual(left, right)) return [];
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null)
    return [`${path}: the chart says ${JSON.stringify(left)}, the constructs say ${JSON.stringify(right)}`];
  const fields = new Set([...Object.keys(left), ...Object.keys(right)]);
  const at = (node: object, field: string) => (node as Readonly<Record<string, unknown>>)[field];
  return [...fields].flatMap((field) => differences(at(left, field), at(right, field), `${path}.${field}`));
}

let unequal = 0;
for (const values of fc.sample(valueSets, { numRuns: rounds, seed })) {
  const found = differences(rendered(values), synthesized(values), "");
  if (found.length === 0) continue;
  unequal += 1;
  if (unequal <= 3) process.stdout.write(`${JSON.stringify(values)}\n${found.join("\n")}\n`);
}
for (const [field, values] of Object.entries(refusedSets)) {
  const { error } = fillIn(values);
  if (error?.message.includes(field.split(".").at(-1) ?? field) && refusedByChart(values).includes(field)) continue;
  unequal += 1;
  process.stdout.write(`${JSON.stringify(values)}: is to be refused by both, with ${field}\n`);
}
rmSync(folder, { recursive: true });
process.stdout.write(`${JSON.stringify({ seed, valueSets: rounds, unequal })}\n`);
process.exitCode = unequal === 0 ? 0 : 1;
