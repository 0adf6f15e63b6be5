import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { committed } from "../cdk8s/committed.ts";
import { withoutTimes } from "./archive.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { basesOf, buildCommand, floating } from "./image-build.ts";

const usage = `npm run package                    writes a release into dist/release
npm run package -- --out DIR       writes it there

  --sign KEY        signs the chart with this key, by its user id or a part of it; helm asks for its passphrase
  --keyring FILE    where the key is: gpg --export-secret-keys > FILE
  --base IMAGE      what the image of the release stands on, by digest: NAME@sha256:…
  --build-base IMAGE   what it is built in, by digest; with both, the command that builds it is printed
`;
const repository = "ghcr.io/discord-agent/discord-agent";

const root = join(import.meta.dirname, "..");
const sums = "SHA256SUMS";

/** Why no release is made. */
class Refused extends Error {}

interface Package {
  readonly name: string;
  readonly version: string;
}

/** Whom the chart is signed as, and the file with the key. */
interface Signer {
  readonly key: string;
  readonly keyring: string;
}

function makeRelease(): void {
  const { values: flags } = parseArgs({
    options: {
      out: { type: "string", default: join("dist", "release") },
      sign: { type: "string" },
      keyring: { type: "string" },
      base: { type: "string" },
      "build-base": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  const signer = signerOf(flags.sign, flags.keyring);
  const itself = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;
  const build = imageOf(itself, flags.base, flags["build-base"]);
  refuseStale(itself);
  empty(flags.out);
  packChart(itself, signer, flags.out);
  for (const folder of ["crds", "trial", "production"])
    writeFileSync(join(flags.out, `${folder}.yaml`), manifestsOf(join(root, "k8s", folder)));
  writeFileSync(
    join(flags.out, `${itself.name}-${itself.version}.cdx.json`),
    `${JSON.stringify(billOfMaterials(root), null, 2)}\n`,
  );
  const files = readdirSync(flags.out).toSorted();
  writeFileSync(join(flags.out, sums), files.map((file) => `${sumOf(join(flags.out, file))}  ${file}\n`).join(""));
  process.stdout.write([...files, sums].map((file) => `${join(flags.out, file)}\n`).join(""));
  process.stderr.write(build);
}

/** What is said of the image, which is no file of the release: how it is built from bases that stay what they are. */
function imageOf({ version }: Package, base: string | undefined, buildBase: string | undefined): string {
  const usual = basesOf(readFileSync(join(root, "Dockerfile"), "utf8"));
  if (base === undefined && buildBase === undefined)
    return "\nThe image: name its bases by digest with --base and --build-base, as docs/operations/image.md says.\n";
  const bases = { base: base ?? usual.base, buildBase: buildBase ?? usual.buildBase };
  const fault = floating(bases);
  if (fault !== null) throw new Refused(fault);
  return `\nThe image is built by\n\n${buildCommand(repository, version, bases)}\n`;
}

function signerOf(key: string | undefined, keyring: string | undefined): Signer | null {
  if (key === undefined && keyring === undefined) return null;
  if (key === undefined || keyring === undefined)
    throw new Refused(`--sign KEY and --keyring FILE belong together\n\n${usage}`);
  return { key, keyring };
}

/** A release is what was reviewed: what is made of cdk8s/ must lie here as it would be made now, no file more or less. */
function refuseStale({ version }: Package): void {
  const stale = [...committed(root, version)].flatMap(([folder, files]) => {
    const there = filesIn(join(root, folder));
    const names = [...new Set([...there.keys(), ...files.keys()])];
    return names.filter((name) => there.get(name) !== files.get(name)).map((name) => join(folder, name));
  });
  const [first, ...others] = stale;
  if (first === undefined) return;
  const more = others.length === 0 ? "is" : `and ${others.length} more are`;
  throw new Refused(`${first} ${more} not what \`npm run synth\` makes: run it, and commit what it changes`);
}

function filesIn(folder: string): Map<string, string> {
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [relative(folder, path), readFileSync(path, "utf8")]));
}

/** Nothing is removed that may be something else than a release. */
function empty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0 && !existsSync(join(folder, sums)))
    throw new Refused(`${folder} holds something else than a release: empty it, or name another folder`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

function packChart({ name, version }: Package, signer: Signer | null, out: string): void {
  const signing = signer === null ? [] : ["--sign", "--key", signer.key, "--keyring", signer.keyring];
  helm("package", join(root, "charts", name), "--destination", out, ...signing);
  const archive = join(out, `${name}-${version}.tgz`);
  // A signature holds for the bytes that helm wrote; it takes the times out by itself from the release on that heeds SOURCE_DATE_EPOCH.
  if (signer === null) writeFileSync(archive, withoutTimes(readFileSync(archive)));
}

function helm(...args: readonly string[]): void {
  try {
    const env = { ...process.env, SOURCE_DATE_EPOCH: "0" };
    execFileSync("helm", args, { env, encoding: "utf8", stdio: ["inherit", "pipe", "pipe"] });
  } catch (error) {
    const { code, stderr = "" } = error as { code?: string; stderr?: string };
    if (code === "ENOENT")
      throw new Refused("helm is not on the path: install Helm 3 or newer, which packages the chart");
    throw new Refused(`helm did not package the chart: ${stderr.trim().replace(/^Error: /, "")}`);
  }
}

/** The files of a folder as one, in the order in which they are applied. */
function manifestsOf(folder: string): string {
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return files
    .toSorted()
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join("");
}

function sumOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

try {
  makeRelease();
} catch (error) {
  const isForeseen = error instanceof Refused || (error instanceof Error && "code" in error);
  if (!isForeseen) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 78;
}
