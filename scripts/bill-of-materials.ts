import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lock } from "./licence-list.ts";

/** The part of a CycloneDX document that is read. */
interface Bill {
  readonly metadata: { readonly component: { readonly "bom-ref": string } };
  readonly components: readonly { readonly "bom-ref": string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * What runs in production, as CycloneDX: the same for the same installed packages. `npm sbom --omit dev` leaves out what runs in production and is needed
 * by a tool for development too, such as zod (npm/cli issue 7909): npm is asked for everything, and package-lock.json says what of it runs.
 */
export function billOfMaterials(root: string): Bill {
  const args = ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application"];
  const text = execFileSync("npm", args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
  const { name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { name: string };
  const runs = new Set(
    Object.entries(packages)
      .filter(([, { dev }]) => dev !== true)
      .map(([path, { version = "" }]) => `${nameAt(path) || name}@${version}`),
  );
  return timeless(only(JSON.parse(text) as Bill, runs), name);
}

const nameAt = (path: string) => path.replace(/^.*node_modules\//, "");

function only({ components, dependencies, ...rest }: Bill, refs: ReadonlySet<string>): Bill {
  return {
    ...rest,
    components: components.filter((component) => refs.has(component["bom-ref"])),
    dependencies: dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) })),
  };
}

/** Without what npm makes anew each time, and with the name of the package: npm takes that of the folder it lies in. */
function timeless(bill: Bill, name: string): Bill {
  const { serialNumber: _, metadata, ...rest } = bill as Bill & { serialNumber?: string };
  const { timestamp: __, ...kept } = metadata as Bill["metadata"] & { timestamp?: string };
  return { ...rest, metadata: { ...kept, component: { ...kept.component, name } } as Bill["metadata"] };
}
