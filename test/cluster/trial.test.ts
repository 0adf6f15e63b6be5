import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { beforeAll, expect, it, vi } from "vitest";
import type { RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { describeOnPods, program } from "./cluster.ts";
import { gatherCrowd } from "./conversation.ts";
import { allReady, botToken, podsOf, portForward, startSimulatorPod, synthesize, valuesFor } from "./release.ts";
import { patience } from "./until.ts";

const run = promisify(execFile);
const printStatus = "fetch('http://127.0.0.1:8000/status').then((it) => it.text()).then(console.log)";

describeOnPods("a trial, in a namespace that enforces restricted", (namespace) => {
  const { kubectl, name } = namespace;
  let simulator: RemoteDiscordSimulator;
  beforeAll(async () => {
    simulator = await startSimulatorPod(namespace);
  });

  /** /status and every line of the log say which pod this is, where, and who is elected. */
  const expectItsPlace = async (pod: string) => {
    const node = expect.stringMatching(/./);
    const status = await kubectl(["exec", pod, "--", "node", "-e", printStatus]);
    expect(JSON.parse(status)).toMatchObject({
      cluster: { pod, node, namespace: name, leader: pod },
      settings: { revision: expect.stringMatching(/^[0-9a-f]{12}$/) },
    });
    const lines = (await kubectl(["logs", pod])).trim().split("\n");
    const said = lines.map((line) => JSON.parse(line) as object);
    for (const line of said) expect(line).toMatchObject({ pod, node, namespace: name });
    expect(said).toContainEqual(expect.objectContaining({ leader: pod }));
  };

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
    await expectItsPlace(pod?.name ?? "");

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

describeOnPods("the trial of this repository", ({ atTheEnd }) => {
  // It has a namespace of its own.
  const kubectl = async (...args: string[]) => (await run(program("kubectl"), args)).stdout;
  const inNamespace = (...args: string[]) => kubectl("--namespace", "discord-agent", ...args);

  it("runs by the commands of its page, and leaves nothing when it is deleted", async () => {
    atTheEnd(async () => void (await kubectl("delete", "-k", "k8s/trial", "--ignore-not-found", "--wait=false")));
    const page = await readFile("docs/kubernetes.md", "utf8");
    const [, commands = ""] = /## Try it\n+```sh\n(.*?)```/s.exec(page) ?? [];
    for (const command of commands.trim().split("\n")) {
      const [first, ...args] = command.split(" ");
      expect(first).toBe("kubectl");
      await kubectl(...args);
    }
    for (const part of ["postgres", "redis", "all-in-one"]) await allReady((args) => inNamespace(...args), part, 1);
    await inNamespace("wait", "--for=condition=Serving", "dagent/mira", "dagent/teo", "dagent/juno", "--timeout=60s");
    expect(await inNamespace("get", "dagent")).toMatch(/mira .*1\/1/);
    const volumes = async () => {
      const { items } = JSON.parse(await kubectl("get", "pv", "-o", "json")) as {
        items: { spec: { claimRef?: { namespace: string } } }[];
      };
      return items.filter(({ spec }) => spec.claimRef?.namespace === "discord-agent").length;
    };
    expect(await volumes()).toBe(2);

    expect(page).toContain("`kubectl delete -k k8s/trial` removes the namespace");
    await kubectl("delete", "-k", "k8s/trial");
    await expect(inNamespace("get", "namespace", "discord-agent")).rejects.toThrow("NotFound");
    await vi.waitFor(async () => expect(await volumes()).toBe(0), patience);
  });
});
