import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { stringify } from "yaml";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { commandsUnder } from "../docs/page.ts";
import { describeOnPods, program } from "./cluster.ts";
import { gatherCrowd } from "./conversation.ts";
import { botToken, startSimulatorPod, valuesFor } from "./release.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");

describeOnPods("what docs/operations/deployment.md tells people to type", (namespace) => {
  it("leads on Kubernetes from nothing to an answer, and away again", async () => {
    const { name } = namespace;
    const folder = await temporaryFolder();
    const values = join(folder.path, "my.yaml");
    const bundled = { postgres: { enabled: true }, redis: { enabled: true } };
    await writeFile(values, stringify({ topology: "all-in-one", ...bundled, ...(await valuesFor(namespace)) }));
    const simulator = await startSimulatorPod(namespace);
    const type = (commands: string) => {
      // The namespace of the test is there already, and the CRD belongs to all tests.
      const here = commands
        .replace(/^kubectl create namespace .*\n/, "")
        .replaceAll("namespace discord-agent", `namespace ${name}`)
        .replaceAll("my.yaml", `${values} --set crds.install=false`);
      const PATH = `${dirname(program("kubectl"))}:${process.env["PATH"] ?? ""}`;
      const env = { ...process.env, PATH, DISCORD_TOKEN: botToken, GEMINI_API_KEY: "" };
      return run("bash", ["-euo", "pipefail", "-c", here], { cwd: root, env });
    };
    const [install = "", removal = "", ...others] = commandsUnder("operations/deployment.md", "On Kubernetes");
    expect(others).toEqual([]);
    await type(install);
    const crowd = await gatherCrowd(simulator, 1);
    expect(await crowd.ask("Mira, are you there?")).toMatch(/^\*\*Mira:\*\* /);
    await type(removal);
    const left = await namespace.kubectl(["get", "deploy,sts,svc", "-l", "app.kubernetes.io/name=discord-agent"]);
    expect(left).toBe("");
    await folder.remove();
  });
});
