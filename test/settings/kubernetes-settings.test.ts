import { pino } from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { KubernetesError, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { watchKubernetes, type KubernetesSettings } from "../../src/settings/kubernetes-settings.ts";

const agent = (name: string, spec: Record<string, unknown>) => ({
  metadata: { name, uid: name, generation: 1, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: { displayName: name, description: "everything", ...spec },
});

/** A cluster of which each kind is a list, or is refused; what is watched never changes. */
function clusterOf(
  kinds: Readonly<Record<"agents" | "configmaps", readonly unknown[] | KubernetesError>>,
): KubernetesApi {
  return {
    namespace: "bots",
    ask: async ({ path }) => {
      const items = path.endsWith("/agents") ? kinds.agents : kinds.configmaps;
      if (items instanceof KubernetesError) throw items;
      return { metadata: { resourceVersion: "7" }, items };
    },
    follow: async (_, { onOpen }, signal) => {
      onOpen();
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    close: () => {},
  };
}

describe("settings of a cluster that cannot be had yet", () => {
  let settings: KubernetesSettings | null = null;
  const begin = (api: KubernetesApi) => {
    const tune = { configMap: "settings", take: () => [] };
    settings = watchKubernetes({
      open: async () => api,
      hasVoice: () => true,
      tune,
      metrics: makeMetrics(),
      log: pino({ level: "silent" }),
    });
    const begun = settings;
    void begun.start(AbortSignal.timeout(10_000), () => {}).catch(() => {});
    return begun;
  };
  afterEach(() => settings?.stop(AbortSignal.timeout(1_000)));

  it.each([
    [
      "whose kind Agent is not there",
      new KubernetesError(404, "NotFound", "the server could not find the requested resource"),
      /^the cluster does not know the kind Agent: kubectl apply -f k8s\/crds/,
    ],
    [
      "that may not be watched",
      new KubernetesError(403, "Forbidden", "agents is forbidden"),
      /^the Role of this pod's ServiceAccount must allow list and watch of agents/,
    ],
    ["that is not there", new KubernetesError(0, "Unreachable", "it cannot be asked"), /cannot be read; trying again/],
    ["without an Agent", [], /^there is no Agent to serve in the namespace bots yet; .*kubectl apply/],
  ])("say what they wait for, and have no revision: a cluster %s", async (_, agents, sentence) => {
    const begun = begin(clusterOf({ agents, configmaps: [] }));
    await vi.waitFor(() => expect(begun.obstacle?.()).toMatch(sentence), { timeout: 5_000 });
    expect([begun.revision(), begun.refused()]).toEqual([null, []]);
  });

  it("say of a prompt in a ConfigMap that may not be read why it is not there, and not to create it", async () => {
    const mira = agent("mira", { promptFrom: { configMapKeyRef: { name: "prompts", key: "mira" } } });
    const forbidden = new KubernetesError(403, "Forbidden", "configmaps is forbidden");
    const begun = begin(clusterOf({ agents: [mira, agent("teo", { prompt: "You are Teo." })], configmaps: forbidden }));
    await vi.waitFor(() => expect(begun.revision()).not.toBeNull(), { timeout: 5_000 });
    expect(begun.refused()).toEqual([
      {
        where: "dagent/mira spec.promptFrom.configMapKeyRef",
        problem: "the ConfigMaps of the namespace cannot be read",
        remedy: "Let the Role of the pods' ServiceAccount list and watch configmaps",
      },
    ]);
    expect(begun.current().agents.map(({ name }) => name)).toEqual(["teo"]);
  });
});
