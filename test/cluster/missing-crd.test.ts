import { expect, it, vi } from "vitest";
import { patience, ready } from "../failure/discord-bot.ts";
import type { Watched } from "../failure/process.ts";
import { applyAgentCrd, removeAgentCrd } from "./agent-crd.ts";
import { describeOnCluster } from "./cluster.ts";
import { agent, furnishLocalPods } from "./local-pods.ts";

const sentence =
  "the cluster does not know the kind Agent: kubectl apply -f k8s/crds (or crds.install=true of the chart)";

describeOnCluster("a cluster that lacks the CRD of Agents", (namespace) => {
  const { kubectl } = namespace;
  const { start, apply, isServed, promptOf } = furnishLocalPods(namespace);
  const told = (pod: Watched) => pod.log.filter(({ level, msg }) => level === "warn" && msg === sentence).length;
  const settingsOf = async (pod: Watched) =>
    ((await (await pod.get("/health")).json()) as { components: { settings: object } }).components.settings;

  it("is told of in one sentence by a pod that starts, and by one that runs and keeps its Agents; both go on when it comes", async () => {
    await removeAgentCrd(namespace);
    const pod = start("pod-a");
    await vi.waitFor(() => expect(told(pod)).toBe(1), patience);
    expect((await pod.get("/health/ready")).status).toBe(503);
    await applyAgentCrd(kubectl);
    await apply(agent("mira", { prompt: "You are Mira, the first." }));
    await ready(pod);
    await isServed("mira");
    expect(await promptOf("who are you?")).toContain("Mira, the first");

    await kubectl(["delete", "crd", "agents.discord-agent.dev", "--wait"]);
    await vi.waitFor(
      async () => expect(await settingsOf(pod)).toMatchObject({ status: "degraded", details: { reason: sentence } }),
      patience,
    );
    expect(told(pod)).toBe(2);
    expect(await promptOf("are you still there?")).toContain("Mira, the first");
    expect((await pod.get("/health/ready")).status).toBe(200);
    await applyAgentCrd(kubectl);
    await apply(agent("mira", { prompt: "You are Mira, the second." }));
    await isServed("mira");
    expect(await promptOf("and who now?")).toContain("Mira, the second");
    expect(await settingsOf(pod)).toMatchObject({ status: "healthy" });
  });
});
