import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Everything below a heading of a page under docs/ that is marked `sh`, block by block: what a reader types. */
export function commandsUnder(path: string, heading: string): readonly string[] {
  const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", path), "utf8");
  const [, rest] = page.split(`\n## ${heading}\n`);
  if (rest === undefined) throw new Error(`${path} has no heading "${heading}"`);
  const [section = ""] = rest.split("\n## ");
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands = ""]) => commands);
}

/** What can stand behind `#` in a link to a page: its headings, as GitHub writes them. */
export function anchorsOf(page: string): Set<string> {
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, "")
        .replaceAll(/\s/g, "-"),
    ),
  );
}
