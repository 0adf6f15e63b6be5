import { beforeAll, expect, it, vi } from "vitest";
import type { RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { describeOnPods } from "./cluster.ts";
import { gatherCrowd } from "./conversation.ts";
import { allReady, botToken, podsOf, portForward, startSimulatorPod, synthesize, valuesFor } from "./release.ts";
import { patience } from "./until.ts";

describeOnPods("a trial, in a namespace that enforces restricted", (namespace) => {
  const { kubectl, name } = namespace;
  let simulator: RemoteDiscordSimulator;
  beforeAll(async () => {
    simulator = await startSimulatorPod(namespace);
  });

  it("is Ready and says what it lacks, starts by itself with a token, talks, follows its Agents, and leaves nothing", async () => {
    const folder = await synthesize(name, await valuesFor(namespace), { agents: "agents.yaml" });
    await kubectl(["apply", "-k", folder]);
    for (const part of ["postgres", "redis", "all-in-one"]) await allReady(kubectl, part, 1);
    await vi.waitFor(async () => expect(await kubectl(["get", "events"])).toContain("DISCORD_TOKEN"), patience);
    const health = await portForward(namespace, "deploy/discord-agent-all-in-one", 8000);
    expect(JSON.stringify(await (await fetch(`${health}/status`)).json())).toContain("DISCORD_TOKEN");
    await kubectl(["wait", "--for=condition=Serving", "dagent/mira", "dagent/teo", "dagent/juno", "--timeout=60s"]);

    await kubectl(["create", "secret", "generic", "discord-agent", `--from-literal=DISCORD_TOKEN=${botToken}`]);
    await vi.waitFor(async () => expect((await simulator.report()).identifies).toBe(1), patience);
    await allReady(kubectl, "all-in-one", 1);
    const crowd = await gatherCrowd(simulator, 2);
    expect(await crowd.ask("Mira, what can you do?")).toMatch(/^\*\*Mira:\*\* /);
    const [pod] = await podsOf(kubectl, "all-in-one");

    const spec = { displayName: "Miranda" };
    await kubectl(["patch", "dagent", "mira", "--type=merge", "-p", JSON.stringify({ spec })]);
    await kubectl(["wait", "--for=condition=Serving", "dagent/mira", "--timeout=60s"]);
    await vi.waitFor(
      async () => expect(await crowd.ask("Miranda, is it you?")).toMatch(/^\*\*Miranda:\*\* /),
      patience,
    );
    expect(await podsOf(kubectl, "all-in-one")).toEqual([pod]);

    // The same again changes nothing that runs.
    const generation = () => kubectl(["get", "deploy,statefulset", "-o", "jsonpath={.items[*].metadata.generation}"]);
    const before = await generation();
    await kubectl(["apply", "-k", folder]);
    expect(await generation()).toBe(before);
    await kubectl([
      "delete",
      "--ignore-not-found",
      "--wait=true",
      "-f",
      `${folder}/20-agents.yaml`,
      "-f",
      `${folder}/10-discord-agent.yaml`,
    ]);
    const left = await kubectl([
      "get",
      "all,configmap,networkpolicy,role,rolebinding,dagent",
      "-l",
      "app.kubernetes.io/instance=discord-agent",
      "-o",
      "name",
    ]);
    expect(left.split("\n").filter((one) => one !== "" && !one.startsWith("pod/"))).toEqual([]);
  });

  it("without a server, keeps what it was told in the database of its volume when its pod is replaced", async () => {
    const values = { postgres: { enabled: false }, redis: { enabled: false }, ...(await valuesFor(namespace)) };
    const folder = await synthesize(name, values, { agents: "agents.yaml", secrets: { DISCORD_TOKEN: botToken } });
    await kubectl(["apply", "-k", folder]);
    await allReady(kubectl, "all-in-one", 1);
    const crowd = await gatherCrowd(simulator, 1);
    await crowd.ask("Mira, my cat is called Miso.");
    const [pod] = await podsOf(kubectl, "all-in-one");
    await kubectl(["delete", "pod", pod?.name ?? ""]);
    await allReady(kubectl, "all-in-one", 1);
    expect(await crowd.ask("Mira, what is my cat called?")).toContain("Miso");
  });
});
