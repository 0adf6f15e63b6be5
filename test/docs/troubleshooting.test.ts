import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { errorCodes, warnings } from "./sentences.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "operations", "troubleshooting.md"), "utf8");
const exitCodes = ["0", "1", "78", "129, 130, 143", "137"];

describe("docs/operations/troubleshooting.md", () => {
  it("has an entry for every code of an error, and for none that there is not", () => {
    const listed = [...page.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, code]) => code);
    expect(listed).toEqual([...errorCodes()].toSorted((a, b) => a.localeCompare(b)));
  });

  it("has an entry for every line that is logged as a warning or an error", () => {
    expect(warnings().size).toBeGreaterThan(50);
    expect([...warnings()].filter((words) => !page.includes(words))).toEqual([]);
  });

  it("has no log line that the product does not write", () => {
    const [, lines = ""] = page.split("## By log line");
    const said = [...lines.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, line = ""]) => line.split("…").map((words) => words.trim())),
    );
    const known = [...warnings()];
    expect(said.filter((words) => words.length >= 10 && !known.some((one) => one.includes(words)))).toEqual([]);
  });

  it("has every exit code", () => {
    for (const code of exitCodes) expect(page).toContain(`\n| ${code} |`);
  });
});
