import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { loadAgents, validateFiles } from "../../src/settings/agents-file.ts";
import { snapshotOf } from "../../src/settings/agents-rules.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { patience, ready } from "../failure/discord-bot.ts";
import { describeUnless } from "../servers/databases.ts";
import { describeOnCluster, killApiServer, whyNoRestart } from "./cluster.ts";
import { agent, furnishLocalPods } from "./local-pods.ts";

/** Seconds; each pod says every ten what it serves. */
const twoHeartbeats = 25;
const byName = (a: { readonly name: string }, b: { readonly name: string }) => a.name.localeCompare(b.name);

describeOnCluster("the agents of a cluster", (namespace) => {
  const { kubectl, name: here } = namespace;
  const { start, apply, get, condition, isServed, promptOf } = furnishLocalPods(namespace);
  const path = `/apis/discord-agent.dev/v1alpha1/namespaces/${here}/agents`;
  const versionNow = async () => {
    const { metadata } = JSON.parse(await kubectl(["get", "--raw", path])) as { metadata: { resourceVersion: string } };
    return metadata.resourceVersion;
  };
  /** What the API server tells of Agents that were written since a version, and in so many seconds from now: nothing where none was. */
  const writesSince = (version: string, seconds: number) =>
    kubectl(["get", "--raw", `${path}?watch=true&resourceVersion=${version}&timeoutSeconds=${seconds}`]);

  it("are waited for, served by every pod, and changed without a restart", async () => {
    const both = [start("pod-a"), start("pod-b")];
    await vi.waitFor(
      () =>
        expect(both.map(({ log }) => log.some(({ msg }) => /no Agent to serve .* yet/.test(String(msg))))).toEqual([
          true,
          true,
        ]),
      patience,
    );
    await apply(agent("mira", { prompt: "You are Mira, the first." }));
    await Promise.all(both.map(ready));
    await vi.waitFor(async () => expect((await get("mira")).status?.serving).toBe("2/2"), patience);
    expect(await promptOf("who are you?")).toContain("Mira, the first");

    await apply(agent("mira", { prompt: "You are Mira, the second." }));
    await isServed("mira");
    expect(await promptOf("and who now?")).toContain("Mira, the second");
    expect((await condition("mira", "Serving"))?.message).toMatch(/^2\/2 pods at revision [0-9a-f]{12}$/);
  });

  it("are what a laptop reads, as kubectl gives them back", async () => {
    const pod = start("pod-a");
    const laptop = loadAgents(["agents.yaml"]);
    await kubectl(["apply", "-f", "agents.yaml"]);
    await Promise.all(laptop.agents.map(({ name }) => isServed(name)));
    const folder = await temporaryFolder();
    const file = join(folder.path, "x.yaml");
    const text = await kubectl(["get", "dagent", "-o", "yaml"]);
    await writeFile(file, text);
    expect(text).toContain("kind: List\n");
    expect(text).toMatch(/observedGeneration: .*\n/);
    const loaded = loadAgents([file]);
    expect(loaded.faults).toEqual([]);
    expect(loaded.agents.toSorted(byName)).toEqual(laptop.agents.toSorted(byName));
    expect(validateFiles([file])).toEqual({ agents: 3, faults: [] });
    expect((await pod.status()) as object).toMatchObject({
      settings: { revision: snapshotOf(loaded.agents).revision },
    });
    await folder.remove();
  });

  it("are written only when something changes", async () => {
    start("pod-a");
    const first = await versionNow();
    await apply(agent("mira", { prompt: "You are Mira." }));
    await isServed("mira");
    const before = (await get("mira")).metadata.resourceVersion;
    await apply(agent("teo", { prompt: "You are Teo." }));
    await isServed("teo");
    await apply(agent("mira", { prompt: "You are Mira." }));
    expect((await get("mira")).metadata.resourceVersion).toBe(before);
    expect(await writesSince(first, 1)).toMatch(/"name":"mira".*"name":"teo"/s);
    expect(await writesSince(await versionNow(), twoHeartbeats)).toBe("");
    const events = await kubectl([
      "get",
      "events",
      "-o",
      "jsonpath={range .items[*]}{.involvedObject.name} {.reason}{'\\n'}{end}",
    ]);
    expect(
      events
        .trim()
        .split("\n")
        .filter((line) => line.endsWith(" Serving")).length,
    ).toBeGreaterThanOrEqual(2);
  });

  it("that are bad are refused by the cluster, or keep their last good version and say which field", async () => {
    const pod = start("pod-a");
    await apply(
      agent("mira", { prompt: "You are Mira.", default: true }),
      agent("teo", { prompt: "You are good Teo." }),
    );
    await isServed("teo");
    await expect(apply(agent("teo", { prompt: "x", handoffs: ["teo"] }))).rejects.toThrow(/handoffs|itself/);
    await expect(apply(agent("teo", { prompt: "x", modle: {} }))).rejects.toThrow(/modle/);

    await apply(agent("teo", { prompt: "You are bad Teo.", default: true }));
    await vi.waitFor(async () => expect((await condition("teo", "Accepted"))?.status).toBe("False"), patience);
    expect((await condition("teo", "Accepted"))?.message).toBe(
      "spec.default: teo is a second default agent; mira is one already. Keep default: true on one agent alone",
    );
    expect((await condition("teo", "Serving"))?.reason).toBe("LastGood");
    expect(await promptOf("teo, who are you today?")).toContain("good Teo");
    const health = (await (await pod.get("/health")).json()) as { components: { settings: { status: string } } };
    expect(health.components.settings.status).toBe("degraded");
    await isServed("mira");
  });

  it("take their prompts from ConfigMaps, and follow these", async () => {
    start("pod-a");
    const from = { promptFrom: { configMapKeyRef: { name: "prompts", key: "mira" } } };
    await apply(agent("mira", from), agent("teo", { prompt: "You are Teo.", handoffs: ["nobody"] }));
    await vi.waitFor(
      async () => expect((await condition("mira", "ReferencesResolved"))?.status).toBe("False"),
      patience,
    );
    expect((await condition("mira", "ReferencesResolved"))?.message).toContain("there is no ConfigMap prompts");
    expect((await condition("teo", "ReferencesResolved"))?.message).toContain("there is no agent nobody");
    expect((await condition("teo", "Serving"))?.status).toBe("True");
    await kubectl(["create", "configmap", "prompts", "--from-literal=mira=You are Mira of the map."]);
    await isServed("mira");
    expect(await promptOf("mira, where are you from?")).toContain("Mira of the map");
    await kubectl([
      "patch",
      "configmap",
      "prompts",
      "--type=merge",
      "-p",
      '{"data":{"mira":"You are Mira of a new map."}}',
    ]);
    await vi.waitFor(async () => expect(await promptOf("mira, and now?")).toContain("new map"), patience);
  });

  describeUnless(whyNoRestart(), "while the API server is away", () => {
    it("answer as before, and what changes afterwards is served", async () => {
      const pod = start("pod-a");
      await apply(agent("mira", { prompt: "You are Mira of old." }));
      await isServed("mira");
      const startAgain = await killApiServer();
      expect(await promptOf("are you still there?")).toContain("Mira of old");
      await vi.waitFor(
        async () => expect(((await (await pod.get("/health")).json()) as { status: string }).status).toBe("degraded"),
        patience,
      );
      expect((await pod.get("/health/ready")).status).toBe(200);
      await startAgain();
      await apply(agent("mira", { prompt: "You are Mira of now." }));
      await isServed("mira");
      expect(await promptOf("and now?")).toContain("Mira of now");
      expect(pod.log.filter(({ msg }) => /agents read from/.test(String(msg)))).toHaveLength(1);
    });
  });
});
