import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { billOfMaterials } from "../../scripts/bill-of-materials.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { findGpg } from "../servers/gpg.ts";
import { whyNoGpg } from "../servers/shared.ts";
import { describeOnCluster, program } from "./cluster.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
const archive = `discord-agent-${version}.tgz`;
const bill = `discord-agent-${version}.cdx.json`;
const missingGpg = await whyNoGpg();

describeOnCluster("a release as npm run package makes it", ({ name, kubectl }) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let release: string;
  const PATH = `${dirname(program("helm"))}:${process.env["PATH"] ?? ""}`;
  const env = { ...process.env, PATH };
  const make = async (to: string, ...args: string[]) => {
    const out = join(folder.path, to);
    await run(process.execPath, ["scripts/package.ts", "--out", out, ...args], { cwd: root, env });
    return out;
  };
  const helm = async (...args: string[]) => (await run(program("helm"), args, { env })).stdout;
  const objectsOf = (text: string) => parseAllDocuments(text).flatMap((one) => (one.toJS() as unknown) ?? []);

  beforeAll(async () => {
    folder = await temporaryFolder();
    release = await make("release");
  });
  afterAll(() => folder.remove());

  it("has these files and a sum for each", async () => {
    const files = (await readdir(release)).toSorted();
    expect(files).toEqual(["SHA256SUMS", "crds.yaml", bill, archive, "production.yaml", "trial.yaml"]);
    const sums = await Promise.all(
      files.slice(1).map(async (file) => {
        const bytes = await readFile(join(release, file));
        return `${createHash("sha256").update(bytes).digest("hex")}  ${file}\n`;
      }),
    );
    expect(await readFile(join(release, "SHA256SUMS"), "utf8")).toBe(sums.join(""));
  });

  it("is the same bytes each time", async () => {
    const again = await make("again");
    for (const file of await readdir(release))
      expect((await readFile(join(again, file))).equals(await readFile(join(release, file))), file).toBe(true);
  });

  it.each(["crds", "trial", "production"])(
    "has the objects of k8s/%s in one file that is applied as it is",
    async (kind) => {
      const from = join(root, "k8s", kind);
      const files = (await readdir(from)).filter((file) => file.endsWith(".yaml")).toSorted();
      const texts = await Promise.all(files.map((file) => readFile(join(from, file), "utf8")));
      const text = await readFile(join(release, `${kind}.yaml`), "utf8");
      expect(objectsOf(text)).toEqual(texts.flatMap(objectsOf));
      expect(objectsOf(text).length).toBeGreaterThan(0);
      const here = text.replaceAll(/(namespace: |kind: Namespace\nmetadata:\n  name: )discord-agent\n/g, `$1${name}\n`);
      await kubectl(["apply", "--dry-run=server", "-f", "-"], here);
    },
  );

  it("has the bill of materials that npm run sbom prints", async () => {
    expect(JSON.parse(await readFile(join(release, bill), "utf8"))).toEqual(billOfMaterials(root));
  });

  it("has a chart that passes the strict lint, is installed on a real API server and leaves nothing", async () => {
    const chart = join(release, archive);
    expect(await helm("lint", "--strict", chart)).toContain("0 chart(s) failed");
    await helm("install", "packed", chart, "--namespace", name, "--set", "crds.install=false");
    const there = () =>
      kubectl(["get", "deploy,sts,svc,cm,networkpolicy,role", "-l", "app.kubernetes.io/instance=packed", "-o", "name"]);
    expect(await there()).toContain("deployment.apps/packed-discord-agent-all-in-one");
    await helm("uninstall", "packed", "--namespace", name);
    expect(await there()).toBe("");
  });

  describe.skipIf(missingGpg !== null)(`signed${missingGpg === null ? "" : ` (${missingGpg})`}`, () => {
    let home: string;
    const owner = "Release of a test <release@example.org>";
    const keys = (file: string) => join(home, file);

    beforeAll(async () => {
      const gpg = await findGpg();
      home = join(folder.path, "gpg");
      await mkdir(home, { mode: 0o700 });
      const ask = (...args: string[]) =>
        run(gpg, ["--homedir", home, "--batch", "--passphrase", "", ...args], { encoding: "buffer" });
      await ask("--quick-generate-key", owner, "rsa2048", "sign", "never");
      await writeFile(keys("secret.gpg"), (await ask("--pinentry-mode", "loopback", "--export-secret-keys")).stdout, {
        mode: 0o600,
      });
      await writeFile(keys("public.gpg"), (await ask("--export")).stdout);
    });
    // gpg has left its agent behind.
    afterAll(() => run("gpgconf", ["--homedir", home, "--kill", "gpg-agent"]));

    it("is told by helm from one that was changed, and from one that somebody else signed", async () => {
      const out = await make("signed", "--sign", "Release of a test", "--keyring", keys("secret.gpg"));
      const chart = join(out, archive);
      expect(await readFile(join(out, "SHA256SUMS"), "utf8")).toContain(`  ${archive}.prov\n`);
      expect(await helm("verify", chart, "--keyring", keys("public.gpg"))).toContain(`Signed by: ${owner}`);
      await helm(
        "install",
        "signed",
        chart,
        "--verify",
        "--keyring",
        keys("public.gpg"),
        "--namespace",
        name,
        "--dry-run=server",
        "--set",
        "crds.install=false",
      );

      await writeFile(keys("nobody.gpg"), "");
      await expect(helm("verify", chart, "--keyring", keys("nobody.gpg"))).rejects.toThrow(
        /signature made by unknown entity/,
      );
      await writeFile(chart, await readFile(join(release, archive)));
      await expect(helm("verify", chart, "--keyring", keys("public.gpg"))).rejects.toThrow(/sha256 sum does not match/);
    });

    it("not with a key that is not there: then there is a sentence", async () => {
      await expect(make("unsigned", "--sign", "Nobody", "--keyring", keys("secret.gpg"))).rejects.toMatchObject({
        code: 78,
        stderr: expect.stringMatching(/^helm did not package the chart: .*\n$/) as unknown,
      });
    });
  });
});
