import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { alertGroups } from "../../cdk8s/constructs/alerts.ts";
import { dashboard } from "../../cdk8s/constructs/dashboard.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import type { RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { describeOnOperator, program } from "./cluster.ts";
import { gatherCrowd } from "./conversation.ts";
import { allReady, botToken, podsOf, startSimulatorPod, valuesFor } from "./release.ts";

const run = promisify(execFile);
/** Prometheus sees a new target after half a minute, and a rule waits for its minute. */
const patience = { timeout: 300_000, interval: 2_000 };
/** Metrics without a sample before something has happened which need not happen here: a call of Gemini, as the offline model answers, and a failure. */
const unseen = new Set([
  "discord_agent_gemini_api_calls_total",
  "discord_agent_tokens_total",
  "discord_agent_quota_wait_seconds_bucket",
  "discord_agent_system_errors_total",
]);

describeOnOperator("the Prometheus Operator", (namespace, { prometheus, alertmanager }) => {
  const { kubectl, name } = namespace;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let simulator: RemoteDiscordSimulator;
  const query = async (expression: string) => {
    const answer = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(expression)}`);
    const { data } = (await answer.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    return data.result;
  };
  const alerts = async () =>
    (await (await fetch(`${alertmanager}/api/v2/alerts`)).json()) as { labels: Record<string, string> }[];
  /** Whether it is a worker that is said to lack its database: gateways lose the same one. */
  const workerLacksDatabase = async () =>
    (await alerts()).some(
      ({ labels: { alertname, namespace: where, pod, component } }) =>
        alertname === "DiscordAgentComponentDown" &&
        where === name &&
        component === "postgres" &&
        pod?.startsWith("bot-discord-agent-worker-"),
    );

  beforeAll(async () => {
    folder = await temporaryFolder();
    const { config, networkPolicy } = await valuesFor(namespace);
    const file = join(folder.path, "values.yaml");
    await writeFile(
      file,
      stringify({
        topology: "split",
        config,
        networkPolicy,
        serviceMonitor: { enabled: true },
        prometheusRule: { enabled: true },
        worker: { autoscaling: { kind: "hpa", minReplicas: 1, maxReplicas: 3, waitingMessages: 8 } },
        crds: { install: false },
      }),
    );
    simulator = await startSimulatorPod(namespace);
    await kubectl(["create", "secret", "generic", "bot-discord-agent", `--from-literal=DISCORD_TOKEN=${botToken}`]);
    await run(program("helm"), ["--namespace", name, "install", "bot", "charts/discord-agent", "--values", file]);
    await kubectl(["apply", "-f", "agents.yaml"]);
    await allReady(kubectl, "gateway", 2);
  });
  afterAll(() => folder.remove());

  it("finds every pod through the ServiceMonitor, under default deny, and loads the rules", async () => {
    await vi.waitFor(async () => {
      const pods = [...(await podsOf(kubectl, "gateway")), ...(await podsOf(kubectl, "worker"))].map((pod) => pod.name);
      const up = (await query(`up{namespace="${name}"} == 1`)).map(({ metric }) => metric["pod"]);
      expect(new Set(up)).toEqual(new Set(pods));
    }, patience);
    await vi.waitFor(async () => {
      const rules = await (await fetch(`${prometheus}/api/v1/rules`)).text();
      expect(rules).toContain("DiscordAgentComponentDown");
    }, patience);
    expect(await query(`discord_agent_component_up{namespace="${name}"}`)).not.toEqual([]);
  });

  it("scales workers by the messages that wait, and loses none", async () => {
    const crowd = await gatherCrowd(simulator);
    await crowd.ask("are you there?");
    await vi.waitFor(
      async () => expect(await query(`discord_agent_waiting_messages{namespace="${name}"}`)).not.toEqual([]),
      patience,
    );
    const talk = crowd.talk(80);
    await vi.waitFor(async () => expect((await podsOf(kubectl, "worker")).length).toBe(3), patience);
    // Five minutes are right for people, and long for a test.
    const behavior = { scaleDown: { stabilizationWindowSeconds: 15 } };
    const patch = JSON.stringify({ spec: { behavior } });
    await kubectl(["patch", "hpa", "bot-discord-agent-worker", "--type=merge", "-p", patch]);
    // Somebody talks until all but one worker have ended, too.
    const slowTalk = crowd.talk(2);
    expect(await talk.stop()).toMatchObject({ lost: 0, doubled: 0 });
    const selector = "app.kubernetes.io/component=worker";
    const workers = async () => (await kubectl(["get", "pods", "-l", selector, "-o", "name"])).trim().split("\n");
    await vi.waitFor(async () => expect(await workers()).toHaveLength(1), { ...patience, timeout: 900_000 });
    const tally = await slowTalk.stop();
    process.stdout.write(`while workers are scaled down: ${JSON.stringify(tally)}\n`);
    expect(tally).toMatchObject({ lost: 0, doubled: 0 });
    expect(tally.sent).toBeGreaterThan(20);
  }, 1_800_000);

  it("has every metric that the rules and the dashboard name", async () => {
    const text = JSON.stringify([alertGroups("recorded"), dashboard()]);
    const named = new Set(text.match(/discord_agent_[a-z_]+/g));
    const has = async (metric: string) =>
      (await query(`count({__name__="${metric}", namespace="${name}"})`)).length > 0;
    await (await gatherCrowd(simulator, 1)).ask("are you there?");
    await vi.waitFor(async () => {
      const missing: string[] = [];
      for (const metric of named) if (!unseen.has(metric) && !(await has(metric))) missing.push(metric);
      expect(missing).toEqual([]);
    }, patience);
    expect([...unseen].filter((metric) => !named.has(metric))).toEqual([]);
    expect(await has("discord_agent_of_which_there_is_none")).toBe(false);
  });

  it("alerts when a worker cannot reach its database, and no longer when it can", async () => {
    await kubectl(["scale", "statefulset", "bot-discord-agent-postgres", "--replicas=0"]);
    await vi.waitFor(async () => expect(await workerLacksDatabase()).toBe(true), patience);
    await kubectl(["scale", "statefulset", "bot-discord-agent-postgres", "--replicas=1"]);
    await vi.waitFor(async () => expect(await workerLacksDatabase()).toBe(false), {
      ...patience,
      timeout: 600_000,
    });
  });
});
