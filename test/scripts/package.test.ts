import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withoutTimes } from "../../scripts/archive.ts";
import { basesOf, buildCommand, floating } from "../../scripts/image-build.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
/** What the script reads of the repository. */
const sources = [
  "agents.yaml",
  "Dockerfile",
  "package.json",
  "cdk8s",
  "charts",
  "docs/reference",
  "k8s",
  "scripts",
  "src",
];

describe("npm run package, which makes no release and says why in one sentence", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  /** No program is on the path but those of the machine that no release needs. */
  const refused = (from: string, ...args: string[]) =>
    run(process.execPath, ["scripts/package.ts", ...args], { cwd: from, env: { PATH: folder.path } }).then(
      () => "",
      ({ code, stderr }: { code: number; stderr: string }) => `${code} ${stderr}`,
    );

  it("where there is no helm", async () => {
    expect(await refused(root, "--out", join(folder.path, "none"))).toBe(
      "78 helm is not on the path: install Helm 3 or newer, which packages the chart\n",
    );
  });

  it("where the chart is not what the sources make of it, be it changed, missing or left over", async () => {
    const copy = join(folder.path, "copy");
    for (const path of sources) await cp(join(root, path), join(copy, path), { recursive: true });
    await symlink(join(root, "node_modules"), join(copy, "node_modules"));
    const chart = join(copy, "charts", "discord-agent");
    await writeFile(join(chart, "templates", "old.yaml"), "");
    expect(await refused(copy)).toBe(
      "78 charts/discord-agent/templates/old.yaml is not what `npm run synth` makes: run it, and commit what it changes\n",
    );
    await writeFile(join(copy, "k8s", "trial", "00-namespace.yaml"), "kind: Namespace\n");
    await rm(join(chart, "templates", "old.yaml"));
    await rm(join(chart, "Chart.yaml"));
    expect(await refused(copy)).toBe(
      "78 k8s/trial/00-namespace.yaml and 1 more are not what `npm run synth` makes: run it, and commit what it changes\n",
    );
  });

  it("where it would have to remove what is no release", async () => {
    const mine = join(folder.path, "mine");
    await mkdir(mine);
    await writeFile(join(mine, "thesis.txt"), "x");
    expect(await refused(root, "--out", mine)).toMatch(/^78 .*mine holds something else than a release/);
    expect(await readFile(join(mine, "thesis.txt"), "utf8")).toBe("x");
  });

  it("where a key is named and no file with it, or a file and no key", async () => {
    for (const half of [
      ["--sign", "me"],
      ["--keyring", "keys.gpg"],
    ])
      expect(await refused(root, ...half)).toMatch(/^78 --sign KEY and --keyring FILE belong together\n/);
  });

  it("where a base of the image is named by a tag, which is another image tomorrow, or only one of the two by its digest", async () => {
    const fixed = `node@sha256:${"0".repeat(64)}`;
    for (const [base, buildBase] of [
      ["gcr.io/distroless/nodejs24-debian12:nonroot", fixed],
      [fixed, "node:24-bookworm-slim"],
      [fixed, `${fixed}0`],
    ] as const)
      expect(await refused(root, "--base", base, "--build-base", buildBase)).toMatch(
        /^78 --(?:build-)?base \S+ can be another image tomorrow: name it by its digest/,
      );
    expect(await refused(root, "--base", fixed)).toMatch(/^78 --build-base node:24-bookworm-slim can be another/);
  });

  it("where a flag is misspelled", async () => {
    expect(await refused(root, "--sing", "me")).toMatch(/^78 Unknown option '--sing'.*\n$/);
  });
});

it("the image of a release is built from the two bases of the Dockerfile, by their digests", async () => {
  const dockerfile = await readFile(join(root, "Dockerfile"), "utf8");
  const named = basesOf(dockerfile);
  expect(floating(named)).toMatch(/^--base /);
  const digest = `@sha256:${"a".repeat(64)}`;
  const bases = { base: named.base + digest, buildBase: named.buildBase + digest };
  expect(floating(bases)).toBeNull();
  const command = buildCommand("example.org/bot", "1.2.3", bases);
  const given = [...command.matchAll(/--build-arg (\w+)=/g)].map(([, name = ""]) => name);
  for (const name of given) expect(dockerfile).toContain(`\nARG ${name}=`);
  expect(command).toMatch(/^docker build \\\n[\s\S]*--tag example\.org\/bot:1\.2\.3 \.$/);
});

describe("an archive without its times", () => {
  it("is the same for the same files, whenever they were packed, and holds them unharmed", async () => {
    const folder = await temporaryFolder();
    const pack = async (seconds: number) => {
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(folder.path, name), text);
        await utimes(join(folder.path, name), seconds, seconds);
      }
      const archive = join(folder.path, `${seconds}.tgz`);
      await run("tar", ["-czf", archive, "--format=ustar", "-C", folder.path, ...Object.keys(files)]);
      return await readFile(archive);
    };
    const files = { empty: "", short: "a\n", exact: "b".repeat(512), long: "c".repeat(70_000) };
    const [one, other] = [await pack(1_000_000_000), await pack(1_500_000_000)];
    expect(one.equals(other)).toBe(false);
    const same = withoutTimes(one);
    expect(same.equals(withoutTimes(other))).toBe(true);

    await writeFile(join(folder.path, "same.tgz"), same);
    const out = join(folder.path, "out");
    await mkdir(out);
    await run("tar", ["-xzf", join(folder.path, "same.tgz"), "-C", out]);
    for (const [name, text] of Object.entries(files)) expect(await readFile(join(out, name), "utf8")).toBe(text);
    const { stdout } = await run("tar", ["-tvzf", join(folder.path, "same.tgz")], {
      env: { ...process.env, TZ: "UTC" },
    });
    expect(stdout.match(/1970-01-01 00:00/g)).toHaveLength(4);
    await folder.remove();
  });
});
