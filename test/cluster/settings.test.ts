import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { parseAllDocuments } from "yaml";
import { patience, ready } from "../failure/discord-bot.ts";
import type { Watched } from "../failure/process.ts";
import { describeOnCluster } from "./cluster.ts";
import { agent, furnishLocalPods } from "./local-pods.ts";
import { synthesize } from "./release.ts";

/** The part of `/status` that says what is set. */
interface Status {
  readonly impaired: { readonly settings?: { readonly status: string } };
  readonly model: { readonly waiting: number };
  readonly settings: { readonly refused: readonly unknown[] };
  readonly system: {
    readonly configuration: {
      readonly logLevel: string;
      readonly gemini: { readonly requestsPerMinute: number; readonly requestsPerDay: number | null };
      readonly memory: { readonly retentionDays: number | null };
    };
  };
}

const settingsMap = "discord-agent-settings";

describeOnCluster("the ConfigMap with the settings of a release", (namespace) => {
  const { kubectl, name } = namespace;
  const { start, apply, isServed, promptOf, say, faults } = furnishLocalPods(namespace);

  /** What `kubectl edit` does; null takes a variable away. */
  const edit = (data: Readonly<Record<string, string | null>>) =>
    kubectl(["patch", "configmap", settingsMap, "--type=merge", "-p", JSON.stringify({ data })]);
  const statusOf = async (pod: Watched) => (await pod.status()) as unknown as Status;
  const set = async (pod: Watched) => {
    const { logLevel, gemini, memory } = (await statusOf(pod)).system.configuration;
    return { logLevel, perMinute: gemini.requestsPerMinute, perDay: gemini.requestsPerDay, days: memory.retentionDays };
  };
  const lines = (pod: Watched, words: RegExp) => pod.log.filter(({ msg }) => words.test(String(msg)));
  const started = async (env: Readonly<Record<string, string>> = {}) => {
    const pod = start("pod-a", { SETTINGS_CONFIGMAP: settingsMap, ...env });
    await ready(pod);
    await isServed("mira");
    return pod;
  };

  beforeEach(async () => {
    // The one that the manifests make, with the name that they give to the pods.
    const folder = await synthesize(name, { settings: { LOG_LEVEL: "info" } });
    const text = await readFile(join(folder, "10-discord-agent.yaml"), "utf8");
    const objects = parseAllDocuments(text).map((one) => one.toJS() as { kind: string; metadata: { name: string } });
    const made = objects.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === settingsMap);
    expect(text).toContain(`name: SETTINGS_CONFIGMAP\n              value: ${settingsMap}\n`);
    await apply(JSON.stringify(made), agent("mira", { prompt: "You are Mira." }));
  });
  afterEach(() => kubectl(["delete", "configmap", settingsMap, "--ignore-not-found"]));

  it("changes the level of the log of a running process, that of its shards too, and shows it in /status", async () => {
    await edit({ LOG_LEVEL: "error" });
    const pod = await started();
    expect((await set(pod)).logLevel).toBe("error");
    await edit({ LOG_LEVEL: "debug" });
    await vi.waitFor(async () => expect((await set(pod)).logLevel).toBe("debug"), patience);
    await promptOf("is anybody there?");
    expect(lines(pod, /^routed$/)).toHaveLength(1);
    expect(faults().cut()).toBe(1);
    await vi.waitFor(() => expect(lines(pod, /^the session was resumed$/)).toHaveLength(1), patience);

    await edit({ LOG_LEVEL: null });
    await vi.waitFor(async () => expect((await set(pod)).logLevel).toBe("info"), patience);
    await promptOf("and now?");
    expect(lines(pod, /^routed$/)).toHaveLength(1);
    expect(lines(pod, /^agents read from/)).toHaveLength(0);
    expect(lines(pod, /^the settings changed$/).map(({ names }) => names)).toEqual([["LOG_LEVEL"], []]);
  });

  it("changes the model's limits of a running process, and who waits for them goes on at once", async () => {
    const pod = await started({ GEMINI_REQUESTS_PER_MINUTE: "1" });
    await promptOf("what is first?");
    const asked = say("what is second?");
    await vi.waitFor(() => expect(lines(pod, /^waiting$/).at(-1)).toMatchObject({ messageId: asked }), patience);
    expect(lines(pod, /^waiting$/).at(-1)?.["waitMs"]).toBeGreaterThan(30_000);
    expect((await statusOf(pod)).model.waiting).toBeGreaterThan(0);
    await edit({ GEMINI_REQUESTS_PER_MINUTE: "60", GEMINI_REQUESTS_PER_DAY: "1500", MEMORY_RETENTION_DAYS: "30" });
    // Left alone, it would wait for the rest of the minute.
    const answered = () => expect(lines(pod, /^answered$/).at(-1)).toMatchObject({ messageId: asked });
    await vi.waitFor(answered, { ...patience, timeout: 20_000 });
    expect(await set(pod)).toEqual({ logLevel: "info", perMinute: 60, perDay: 1500, days: 30 });
    expect(lines(pod, /^agents read from/)).toHaveLength(1);
  });

  it("is refused as a whole when one value is bad: the last good ones stay, and log and /status name field and remedy", async () => {
    const pod = await started();
    await edit({ GEMINI_REQUESTS_PER_MINUTE: "60" });
    await vi.waitFor(async () => expect((await set(pod)).perMinute).toBe(60), patience);

    await edit({ GEMINI_REQUESTS_PER_MINUTE: "600", LOG_LEVEL: "loud", LANES: "64" });
    const found = [
      {
        where: `configmap/${settingsMap} data.LANES`,
        problem: "is nothing that may change while the process runs",
        remedy:
          "Set it in the environment of the pods; here are taken LOG_LEVEL, GEMINI_REQUESTS_PER_MINUTE, GEMINI_TOKENS_PER_MINUTE, GEMINI_REQUESTS_PER_DAY, MEMORY_RETENTION_DAYS",
      },
      {
        where: `configmap/${settingsMap} data.LOG_LEVEL`,
        problem: '"loud" is not one of trace, debug, info, warn, error, fatal, silent',
        remedy: "Set one of trace, debug, info, warn, error, fatal, silent, or unset it for info",
      },
    ];
    await vi.waitFor(async () => expect((await statusOf(pod)).settings.refused).toEqual(found), patience);
    expect(await set(pod)).toEqual({ logLevel: "info", perMinute: 60, perDay: null, days: null });
    expect((await pod.get("/health/ready")).status).toBe(200);
    await vi.waitFor(async () => expect((await statusOf(pod)).impaired.settings?.status).toBe("degraded"), patience);

    // Whatever else changes meanwhile is no reason to say it again.
    await apply(agent("mira", { prompt: "You are Mira the second." }));
    await isServed("mira");
    expect(lines(pod, /^settings of the cluster have faults/)).toMatchObject([{ level: "error", faults: found }]);
    await edit({ LOG_LEVEL: null, LANES: null });
    await vi.waitFor(async () => expect((await set(pod)).perMinute).toBe(600), patience);
    expect((await statusOf(pod)).settings.refused).toEqual([]);
    expect(lines(pod, /^the settings are good again$/)).toHaveLength(1);
  });

  it("means what the process was started with, once it is gone", async () => {
    await edit({ GEMINI_REQUESTS_PER_MINUTE: "60", LOG_LEVEL: "warn" });
    const pod = await started({ MEMORY_RETENTION_DAYS: "7" });
    expect(await set(pod)).toEqual({ logLevel: "warn", perMinute: 60, perDay: null, days: 7 });
    await kubectl(["delete", "configmap", settingsMap]);
    const first = { logLevel: "info", perMinute: 1000, perDay: null, days: 7 };
    await vi.waitFor(async () => expect(await set(pod)).toEqual(first), patience);
  });
});
