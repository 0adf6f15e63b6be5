import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

it("docs/operations/failures.md names a test that is there for each failure, or says that there is none", () => {
  const page = readFileSync(join(root, "docs", "operations", "failures.md"), "utf8");
  const rows = page.split("\n").filter((line) => /^\| (?!What happens)/.test(line));
  expect(rows.length).toBeGreaterThan(15);
  for (const row of rows) {
    const proof = row.split(" | ").at(-1) ?? "";
    const tests = [...proof.matchAll(/`(test\/[\w/-]+)`/g)].map(([, path = ""]) => join(root, path));
    expect(tests.length > 0 || proof.startsWith("not tried"), row).toBe(true);
    for (const path of tests) expect(existsSync(path) || existsSync(`${path}.test.ts`), path).toBe(true);
  }
});
