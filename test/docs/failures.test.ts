import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

it("docs/operations/failures.md names for each failure a test by its file and its name, or says that there is none", () => {
  const page = readFileSync(join(root, "docs", "operations", "failures.md"), "utf8");
  const rows = page.split("\n").filter((line) => /^\| (?!What happens)/.test(line));
  expect(rows.length).toBeGreaterThan(15);
  for (const row of rows) {
    const proof = row.split(" | ").at(-1) ?? "";
    const tests = [...proof.matchAll(/`(test\/[\w/-]+)`((?:,? "[^"]+")+)/g)];
    expect(tests.length > 0 || proof.startsWith("not tried"), row).toBe(true);
    // One without words would be a claim that nobody can check.
    expect(proof.match(/`test\//g) ?? [], row).toHaveLength(tests.length);
    for (const [, path = "", names = ""] of tests) {
      const file = join(root, `${path}.test.ts`);
      expect(existsSync(file), path).toBe(true);
      const code = readFileSync(file, "utf8");
      for (const [, name = ""] of names.matchAll(/"([^"]+)"/g)) expect(code, `${path}: ${name}`).toContain(name);
    }
  }
});
