import { join } from "node:path";
import { build } from "esbuild";

/** The simulator with all it needs, as the text of one file, to run where only Node is: a pod, a container. */
export async function bundleDiscordSimulator(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "main.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    minify: true,
    write: false,
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
