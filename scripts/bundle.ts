import { cp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as bundle, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");
/** Where it goes: `dist`, or what the argument says. */
const out = process.argv[2] ?? join(root, "dist");

/**
 * Of packages that load all that they have, what we use. Of discord.js, which always loads its whole client, the packages that it hands on: 4 MB of a gateway, 8 of a
 * worker. Of the Kubernetes client, which loads a class for every kind there is, what finds the cluster: 23 MB and 100 ms of every pod.
 */
const partsOfPackages: Plugin = {
  name: "parts of packages",
  setup: (build) => {
    /** What is imported by `name`, a package or a file of `folder`, is `contents` instead, read as a file of `folder`. */
    const replace = (name: string, folder: string, contents: string) => {
      build.onResolve({ filter: new RegExp(`^${name}$`) }, ({ resolveDir }) =>
        !name.startsWith(".") || resolveDir === folder ? { path: name, namespace: "parts" } : undefined,
      );
      build.onLoad({ filter: new RegExp(`^${name}$`), namespace: "parts" }, () => ({ contents, resolveDir: folder }));
    };
    const home = (name: string) => dirname(fileURLToPath(import.meta.resolve(name)));
    replace(
      "discord.js",
      home("discord.js"),
      `export * from "@discordjs/rest";
      export * from "discord-api-types/v10";
      export { DiscordSnowflake as SnowflakeUtil } from "@sapphire/snowflake";`,
    );
    const client = home("@kubernetes/client-node");
    replace("@kubernetes/client-node", client, `export { KubeConfig } from "./config.js";`);
    replace(
      "./gen/index.js",
      client,
      `export { createConfiguration } from "./gen/configuration.js";
      export { ServerConfiguration } from "./gen/servers.js";`,
    );
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
  outdir: out,
  // One folder below it, as the sources are below `src`: paths to migrations and to package.json hold for both.
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
