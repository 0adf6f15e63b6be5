import { cp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as bundle, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");
const out = join(root, "dist");

/**
 * Of packages that load all that they have, what we use. Of discord.js, which always loads its whole client, the packages that it hands on: 4 MB of a gateway, 8 of a
 * worker. Of the Kubernetes client, which loads a class for every kind there is, what finds the cluster: 23 MB and 100 ms of every pod.
 */
const partsOfPackages: Plugin = {
  name: "parts of packages",
  setup: (build) => {
    const parts = (name: string, contents: string) => {
      build.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: "parts" }));
      build.onLoad({ filter: new RegExp(`^${name}$`), namespace: "parts" }, () => ({
        contents,
        resolveDir: dirname(fileURLToPath(import.meta.resolve(name))),
      }));
    };
    parts(
      "discord.js",
      `export * from "@discordjs/rest";
      export * from "discord-api-types/v10";
      export { DiscordSnowflake as SnowflakeUtil } from "@sapphire/snowflake";`,
    );
    parts("@kubernetes/client-node", `export { KubeConfig } from "./index.js";`);
    // Its modules only define things, which is not written in its package.json; without that none could be left out.
    const within = /@kubernetes[\\/]client-node[\\/]dist/;
    build.onResolve({ filter: /^\./ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === within || !within.test(from.resolveDir)) return undefined;
      return { ...(await build.resolve(path, { ...from, pluginData: within })), sideEffects: false };
    });
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
  plugins: [partsOfPackages],
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
