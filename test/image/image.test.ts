import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeWithEngine, docker, image, patience, root } from "./engine.ts";

const runFile = promisify(execFile);

interface Inspected {
  readonly Size: number;
  readonly Config: {
    readonly User: string;
    readonly StopSignal: string;
    readonly Entrypoint: readonly string[];
    readonly Env: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly RootFS: { readonly Layers: readonly string[] };
}

interface Package {
  readonly license: string;
}

const goalBytes = 200_000_000;
/** How every runtime that we describe runs it. */
const confined = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"];

/** Asked of Node, the image's entrypoint, as there is no shell. */
const sizeOfProgram = `const { readdirSync, statSync } = require("node:fs");
const files = readdirSync("/app/dist", { recursive: true }).map((name) => statSync("/app/dist/" + name));
console.log(files.reduce((sum, { size }) => sum + size, 0));`;

const inspect = async (name: string): Promise<Inspected> =>
  (JSON.parse(await docker(["image", "inspect", name])) as [Inspected])[0];
const build = (tag: string, ...args: string[]) => docker(["build", "--quiet", "--tag", tag, ...args, "."]);

describeWithEngine("the image", () => {
  const container = `discord-agent-test-${randomBytes(4).toString("hex")}`;
  beforeAll(() => build(image));
  afterAll(async () => {
    await docker(["rm", "--force", container]);
    await docker(["volume", "rm", "--force", container]);
  });

  it("is small, and says what it is", async () => {
    const { Size, Config } = await inspect(image);
    process.stdout.write(`${JSON.stringify({ image, bytes: Size, goalBytes })}\n`);
    expect(Size).toBeLessThan(goalBytes);
    expect(Config).toMatchObject({ User: "65532:65532", StopSignal: "SIGTERM", Entrypoint: ["node"] });
    expect(Config.Env.filter((one) => /TOKEN|KEY|PASSWORD|SECRET|URL/.test(one))).toEqual([]);
    expect(await docker(["run", "--rm", image, "dist/main.js", "--version"])).toBe(`${image.split(":")[1]}\n`);
  });

  it("has a program as large as docs/operations/image.md says", async () => {
    const page = await readFile(join(root, "docs", "operations", "image.md"), "utf8");
    const said = Number(/`dist` \| (\d+) \|/.exec(page)?.[1]);
    const bytes = Number(await docker(["run", "--rm", image, "--eval", sizeOfProgram]));
    expect(Math.abs(bytes / 1_000_000 - said)).toBeLessThan(1);
  });

  it("is labelled with what it is, of which version and commit, as OCI names it", async () => {
    const { license } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Package;
    const labelled = `${container}:labelled`;
    await build(labelled, "--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=0123456789abcdef");
    const labels = async (name: string) => {
      const all = Object.entries((await inspect(name)).Config.Labels);
      return Object.fromEntries(all.filter(([label]) => label.startsWith("org.opencontainers.")));
    };
    const expected = (version: string, revision: string) => ({
      "org.opencontainers.image.title": "discord-agent",
      "org.opencontainers.image.description": "A Kubernetes-native, multi-agent AI bot for Discord",
      "org.opencontainers.image.licenses": license,
      "org.opencontainers.image.source": "https://github.com/discord-agent/discord-agent",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.revision": revision,
    });
    expect(await labels(image)).toEqual(expected(image.split(":")[1] ?? "", "unknown"));
    expect(await labels(labelled)).toEqual(expected("1.2.3", "0123456789abcdef"));
    await docker(["rmi", labelled]);
  });

  it("has the one version that compose and the manifests name", async () => {
    expect(await readFile(join(root, "compose.yaml"), "utf8")).toContain(`image: ${image}\n`);
    expect(await readFile(join(root, "k8s", "trial", "10-discord-agent.yaml"), "utf8")).toContain(`image: ${image}\n`);
  });

  it("holds the program in its layers, and no sources, tests, settings or secrets", async () => {
    const files = (await listLayers(image)).filter((path) => path.startsWith("app/"));
    expect(files.length).toBeGreaterThan(20);
    const rooms = new Set(files.map((path) => path.split("/").slice(0, 3).join("/")));
    const packages = [...rooms].filter((path) => path.startsWith("app/node_modules/"));
    expect(packages).toEqual(["app/node_modules/@electric-sql"]);
    const kinds = new Set(files.map((path) => path.split("/")[1]));
    expect(kinds).toEqual(new Set(["LICENSE", "agents.yaml", "dist", "node_modules", "package.json"]));
    const all = await listLayers(image);
    expect(all.filter((path) => /\.env|\.npmrc|\.git\/|\.test\.|\.ts$|simulator/.test(path))).toEqual([]);
    const history = await docker(["history", "--no-trunc", "--format", "{{.CreatedBy}}", image]);
    expect(history).not.toMatch(/token=|password=|_authToken/i);
  });

  it("is the same bytes when it is built anew", async () => {
    await build(`${container}:again`, "--no-cache-filter", "build");
    const [once, again] = [await inspect(image), await inspect(`${container}:again`)];
    await docker(["rmi", `${container}:again`]);
    expect(again.RootFS.Layers).toEqual(once.RootFS.Layers);
  });

  it("runs read-only without a capability: it answers, becomes healthy, and ends in order when it is told to", async () => {
    const said = await docker(["run", "--rm", "--interactive", ...confined, "--volume", `${container}:/data`, image], {
      input: "Hello, who are you?\n",
    });
    expect(said).toMatch(/\S/);
    const named = ["--name", container, "--volume", `${container}:/data`];
    await docker(["run", "--detach", "--interactive", ...named, ...confined, image]);
    const state = async (of: string) => (await docker(["inspect", "--format", `{{.State.${of}}}`, container])).trim();
    await vi.waitFor(async () => expect(await state("Health.Status")).toBe("healthy"), patience);
    await docker(["stop", "--time", "60", container]);
    expect(await state("ExitCode")).toBe("0");
  });
});

/** The paths of everything in the layers of an image, one after the other: what a later layer hides, too. */
async function listLayers(name: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "discord-agent-image-"));
  try {
    await docker(["save", "--output", join(folder, "image.tar"), name]);
    await runFile("tar", ["-xf", "image.tar"], { cwd: folder });
    const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as [{ Layers: string[] }];
    const listing = { cwd: folder, maxBuffer: 1 << 26 };
    const lists = manifest[0].Layers.map((layer) => runFile("tar", ["-tf", layer], listing));
    return (await Promise.all(lists)).flatMap(({ stdout }) => stdout.split("\n")).filter((path) => !path.endsWith("/"));
  } finally {
    await rm(folder, { recursive: true });
  }
}
