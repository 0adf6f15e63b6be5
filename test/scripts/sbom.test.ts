import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const read = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8")) as unknown;

interface Bill {
  readonly metadata: { readonly component: Readonly<Record<string, unknown>> };
  readonly components: readonly { readonly "bom-ref": string; readonly licenses?: unknown }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

describe("npm run sbom", () => {
  let text = "";
  let bill: Bill;
  beforeAll(async () => {
    const made = await promisify(execFile)(process.execPath, ["scripts/sbom.ts"], { cwd: root, maxBuffer: 1 << 26 });
    text = made.stdout;
    bill = JSON.parse(text) as Bill;
  });

  it("names every package that runs in production and is installed, also one that a tool needs too, and no other", () => {
    const { packages } = read("package-lock.json") as {
      packages: Record<string, { version: string; dev?: boolean }>;
    };
    const run = Object.entries(packages).filter(
      ([path, { dev }]) => path !== "" && dev !== true && existsSync(join(root, path)),
    );
    const refs = run.map(([path, { version }]) => `${path.replace(/^.*node_modules\//, "")}@${version}`);
    expect(new Set(bill.components.map((one) => one["bom-ref"]))).toEqual(new Set(refs));
    const { dependencies } = read("package.json") as { dependencies: Record<string, string> };
    expect(refs).toEqual(expect.arrayContaining(Object.entries(dependencies).map((one) => one.join("@"))));
  });

  it("says what each of them needs, all the way from the product", () => {
    const needs = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const follow = (ref: string) => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const next of needs.get(ref) ?? []) follow(next);
    };
    const { name, version } = read("package.json") as { name: string; version: string };
    follow(`${name}@${version}`);
    expect(bill.components.map((one) => one["bom-ref"]).filter((ref) => !reached.has(ref))).toEqual([]);
    expect(bill.components.filter(({ licenses }) => licenses === undefined)).toEqual([]);
  });

  it("is about the product whatever its folder is called, and says nothing that is new each time", () => {
    expect(bill.metadata.component).toMatchObject({ name: "discord-agent", type: "application" });
    expect(text).not.toMatch(/serialNumber|"timestamp"/);
  });
});
