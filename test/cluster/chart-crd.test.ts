import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { applyAgentCrd, removeAgentCrd } from "./agent-crd.ts";
import { describeOnCluster, program } from "./cluster.ts";

const run = promisify(execFile);
const chart = join(import.meta.dirname, "..", "..", "charts", "discord-agent");
const foreignCrd =
  /CustomResourceDefinition "agents\.discord-agent\.dev" in namespace "" exists and cannot be imported into the current release/;

describeOnCluster("a chart that brings the CRD, as it does by default,", (namespace) => {
  const { kubectl, name } = namespace;
  const helm = async (...args: string[]) => (await run(program("helm"), ["--namespace", name, ...args])).stdout;
  const small = ["--set", "postgres.enabled=false,redis.enabled=false"];
  const install = (release: string, ...args: string[]) => helm("install", release, chart, ...small, ...args);
  const agents = () =>
    kubectl(["get", "dagent", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.metadata.name} {end}"]);
  const releases = () => helm("list", "--all", "--short");

  beforeAll(() => removeAgentCrd(namespace));

  it("leaves it and the Agents when it is uninstalled, and finds both when it is installed again", async () => {
    await install("bot");
    await kubectl(["wait", "--for=condition=Established", "crd/agents.discord-agent.dev", "--timeout=60s"]);
    await kubectl(["apply", "-f", "agents.yaml"]);
    const before = await agents();
    expect(before).toMatch(/^\S+ juno \S+ mira \S+ teo $/);
    expect(await helm("uninstall", "bot")).toContain("[CustomResourceDefinition] agents.discord-agent.dev");
    expect(await kubectl(["get", "deploy,role", "-l", "app.kubernetes.io/instance=bot", "-o", "name"])).toBe("");
    expect(await agents()).toBe(before);
    await install("bot");
    expect(await agents()).toBe(before);
    expect(await releases()).toBe("bot\n");
  });

  it("is refused as a second release, and installed with crds.install=false", async () => {
    await expect(install("other")).rejects.toThrow(foreignCrd);
    expect(await releases()).toBe("bot\n");
    await install("other", "--set", "crds.install=false");
    await helm("uninstall", "other");
    await helm("uninstall", "bot");
    expect(await agents()).toMatch(/^\S+ juno \S+ mira \S+ teo $/);
  });

  it("is refused where kubectl has applied it, and installed with crds.install=false", async () => {
    await kubectl(["delete", "crd", "agents.discord-agent.dev", "--wait"]);
    await applyAgentCrd(kubectl);
    await expect(install("bot")).rejects.toThrow(foreignCrd);
    expect(await releases()).toBe("");
    await install("bot", "--set", "crds.install=false");
    await helm("uninstall", "bot");
    expect(await agents()).toBe("");
  });
});
