import { readFileSync } from "node:fs";
import { join } from "node:path";
import { refuseLicences, type Lock } from "./licence-list.ts";

const lock = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package-lock.json"), "utf8")) as Lock;
const { looked, refused } = refuseLicences(lock);
for (const sentence of refused)
  process.stderr.write(`${sentence}. Take another package, or decide on it in docs/decisions/0001-libraries.md\n`);
process.stdout.write(`${looked} packages in production, ${refused.length} with a licence that is not on the list\n`);
if (refused.length > 0) process.exitCode = 1;
