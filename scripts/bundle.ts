import { cp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as bundle, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");
const out = join(root, "dist");

/** Of discord.js, which always loads its whole client, the packages that it hands on and that are all we use: 4 MB of a gateway, 8 of a worker. */
const partsOfDiscordJs: Plugin = {
  name: "parts of discord.js",
  setup: (build) => {
    build.onResolve({ filter: /^discord\.js$/ }, () => ({ path: "discord.js", namespace: "parts" }));
    build.onLoad({ filter: /.*/, namespace: "parts" }, () => ({
      contents: `export * from "@discordjs/rest";
        export * from "discord-api-types/v10";
        export { DiscordSnowflake as SnowflakeUtil } from "@sapphire/snowflake";`,
      resolveDir: dirname(fileURLToPath(import.meta.resolve("discord.js"))),
    }));
  },
};

/**
 * The program as the image runs it: one entry and the parts that each role loads when it needs them. Packages that read files beside themselves stay
 * packages: the embedded Postgres, which is WebAssembly and data.
 */
await rm(out, { recursive: true, force: true });
await bundle({
  absWorkingDir: root,
  entryPoints: ["src/main.ts"],
  outdir: "dist",
  // One folder below `dist`, as the sources are below `src`: paths to migrations and to package.json hold for both.
  chunkNames: "parts/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  legalComments: "none",
  plugins: [partsOfDiscordJs],
  external: [
    "@electric-sql/pglite",
    "@electric-sql/pglite-pgvector",
    "pg-native",
    "zlib-sync",
    "bufferutil",
    "utf-8-validate",
  ],
  // Libraries that are CommonJS call `require` for what Node brings.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
  logLevel: "warning",
});
await cp(join(root, "src", "memory", "migrations"), join(out, "memory", "migrations"), { recursive: true });
