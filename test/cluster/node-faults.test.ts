import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import type { RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { describeOnPods, freezeKubelet, killApiServer, whyNoRestart } from "./cluster.ts";
import { gatherCrowd, type Crowd } from "./conversation.ts";
import { allReady, botToken, podsOf, startSimulatorPod, synthesize, valuesFor } from "./release.ts";
import { patience } from "./until.ts";

/** A person would look at ten of them; CI has time for one. */
const outageMinutes = Number(process.env["API_SERVER_OUTAGE_MINUTES"] ?? "1");
const parts = ["gateway", "worker"] as const;

describeOnPods(
  "people go on talking, and none is lost, doubled or identified anew,",
  (namespace) => {
    const { kubectl, name } = namespace;
    let simulator: RemoteDiscordSimulator;
    let crowd: Crowd;

    beforeAll(async () => {
      simulator = await startSimulatorPod(namespace, { by: "address" });
      const values = { topology: "split", ...(await valuesFor(namespace)) };
      const folder = await synthesize(name, values, { agents: "agents.yaml", secrets: { DISCORD_TOKEN: botToken } });
      await kubectl(["apply", "-k", await withSmallVolume(folder)]);
      for (const part of parts) await allReady(kubectl, part, 2);
      crowd = await gatherCrowd(simulator);
      expect(await crowd.ask("Mira, are you there?")).toMatch(/^\*\*Mira:\*\* /);
    });

    const restarts = async () => {
      const pods = await Promise.all(parts.map((part) => podsOf(kubectl, part)));
      return pods.flat().map((pod) => [pod.name, pod.restarts]);
    };
    /** What happens while people talk. */
    const whileTalking = async (happening: () => Promise<void>) => {
      const { identifies } = await simulator.report();
      const talk = crowd.talk(10);
      try {
        await happening();
      } finally {
        const tally = await talk.stop();
        const extraIdentifies = (await simulator.report()).identifies - identifies;
        process.stdout.write(
          `${expect.getState().currentTestName}: ${JSON.stringify({ ...tally, extraIdentifies })}\n`,
        );
        expect({ ...tally, extraIdentifies }).toMatchObject({ lost: 0, doubled: 0, extraIdentifies: 0 });
      }
      for (const part of parts) await allReady(kubectl, part, 2);
    };

    it.each(parts)("while a %s is evicted; a second one is kept until the first is replaced", async (part) => {
      const evict = (pod = "") =>
        kubectl(
          ["create", "--raw", `/api/v1/namespaces/${name}/pods/${pod}/eviction`, "-f", "-"],
          JSON.stringify({ apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace: name } }),
        );
      const [first, second] = await podsOf(kubectl, part);
      await whileTalking(async () => {
        await evict(first?.name);
        await expect(evict(second?.name)).rejects.toThrow(/disruption budget/);
        await allReady(kubectl, part, 2);
      });
      expect((await podsOf(kubectl, part)).map((pod) => pod.name)).toContain(second?.name);
    });

    it.each(parts)("while a %s is killed because it uses too much memory", async (part) => {
      const [victim] = await podsOf(kubectl, part);
      // The kernel ends the largest process of the container, and that must be the bot: none of many is as large.
      const small = "const held = Buffer.alloc(40e6, 1); setInterval(() => held, 1e6)";
      const hog = `require("fs").writeFileSync("/proc/1/oom_score_adj", "1000");
        for (let n = 0; n < 20; n += 1) require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(small)}]);`;
      await whileTalking(async () => {
        await kubectl(["exec", victim?.name ?? "", "--", "node", "-e", hog]).catch(() => {});
        await vi.waitFor(async () => {
          const now = (await podsOf(kubectl, part)).find((pod) => pod.name === victim?.name);
          expect(now).toMatchObject({ restarts: (victim?.restarts ?? 0) + 1, isReady: true });
          // Of a container that it has cleared away already, which it does once a minute, the kubelet no longer knows how it ended.
          expect(["OOMKilled", null]).toContain(now?.lastEnd);
        }, patience);
      });
    });

    it("while the node's kubelet stands still until the node counts as lost", async () => {
      const before = await restarts();
      const isReady = async () =>
        kubectl(["get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}']);
      await whileTalking(async () => {
        const goOn = await freezeKubelet();
        try {
          await vi.waitFor(async () => expect(await isReady()).toBe("Unknown"), patience);
        } finally {
          goOn();
        }
        await vi.waitFor(async () => expect(await isReady()).toBe("True"), patience);
      });
      expect(await restarts()).toEqual(before);
    });

    it("while an Agent is changed, for which no pod is replaced; one that is wrong changes nothing", async () => {
      const sets = () => kubectl(["get", "rs", "-o", "jsonpath={.items[*].metadata.name}"]);
      const before = [await sets(), await restarts()];
      const patch = (spec: object) =>
        kubectl(["patch", "dagent", "mira", "--type=merge", "-p", JSON.stringify({ spec })]);
      const condition = (type: string) =>
        kubectl(["get", "dagent", "mira", "-o", `jsonpath={.status.conditions[?(@.type=="${type}")].message}`]);
      await whileTalking(async () => {
        await patch({ displayName: "Mirabel" });
        await vi.waitFor(
          async () => expect(await crowd.ask("Mirabel, is it you?")).toMatch(/^\*\*Mirabel:\*\* /),
          patience,
        );
        await vi.waitFor(async () => expect(await condition("Serving")).toMatch(/^4\/4 pods at revision/), patience);
        await expect(patch({ handoffs: ["mira"] })).rejects.toThrow("remove its own name from spec.handoffs");
        await patch({ prompt: null, promptFrom: { configMapKeyRef: { name: "nowhere", key: "mira" } } });
        await vi.waitFor(
          async () => expect(await condition("ReferencesResolved")).toContain("there is no ConfigMap nowhere"),
          patience,
        );
        expect(await crowd.ask("Mirabel, are you still there?")).toMatch(/^\*\*Mirabel:\*\* /);
      });
      expect([await sets(), await restarts()]).toEqual(before);
      await patch({ prompt: "You are Mira.", promptFrom: null });
    });

    it("while a Secret changes, for which every pod starts anew by itself", async () => {
      const before = await restarts();
      const stringData = { STATUS_TOKEN: "a-token-that-is-long-enough-for-the-status" };
      await whileTalking(async () => {
        await kubectl(["patch", "secret", "discord-agent", "--type=merge", "-p", JSON.stringify({ stringData })]);
        const more = before.map(([pod, times]) => [pod, Number(times) + 1]);
        // A kubelet looks about once a minute, each pod at another moment.
        await vi.waitFor(async () => expect(await restarts()).toEqual(more), { timeout: 240_000, interval: 1_000 });
      });
    });

    it(`while the API server is away for ${outageMinutes} minutes; what changes afterwards is served`, async () => {
      const before = await restarts();
      await whileTalking(async () => {
        const start = await killApiServer();
        await setTimeout(outageMinutes * 60_000);
        await start();
      });
      const spec = { displayName: "Miranda" };
      await kubectl(["patch", "dagent", "mira", "--type=merge", "-p", JSON.stringify({ spec })]);
      await kubectl(["wait", "--for=condition=Serving", "dagent/mira", "--timeout=60s"]);
      await vi.waitFor(async () => expect(await crowd.ask("Miranda, is it you?")).toMatch(/^\*\*Miranda:/), patience);
      expect(await restarts()).toEqual(before);
    }, 1_800_000);

    it("while the volume of Postgres is full, which is said", async () => {
      const onVolume = (command: string) =>
        kubectl(["exec", "discord-agent-postgres-0", "-c", "hand", "--", "sh", "-c", command]);
      const logs = () =>
        kubectl(["logs", "-l", "app.kubernetes.io/name=discord-agent", "--tail=-1", "-c", "discord-agent"]);
      await whileTalking(async () => {
        await onVolume("cat /dev/zero > /data/filler || true");
        try {
          await vi.waitFor(async () => expect(await logs()).toContain("database_disk_full"), patience);
        } finally {
          await onVolume("rm /data/filler");
        }
      });
    });
  },
  whyNoRestart,
);

/** Lays over manifests what lets a test fill the volume of Postgres, and empty it when Postgres cannot run. */
async function withSmallVolume(folder: string): Promise<string> {
  const overlay = join(folder, "..", "overlay");
  const hand = {
    name: "hand",
    image: "pgvector/pgvector:pg18",
    command: ["sleep", "infinity"],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  };
  const patch = [
    { op: "remove", path: "/spec/volumeClaimTemplates" },
    {
      op: "add",
      path: "/spec/template/spec/volumes/-",
      value: { name: "data", emptyDir: { medium: "Memory", sizeLimit: "256Mi" } },
    },
    { op: "add", path: "/spec/template/spec/containers/-", value: hand },
  ];
  const target = { kind: "StatefulSet", name: "discord-agent-postgres" };
  await mkdir(overlay);
  await writeFile(
    join(overlay, "kustomization.yaml"),
    stringify({ resources: ["../out"], patches: [{ target, patch: stringify(patch) }] }),
  );
  return overlay;
}
