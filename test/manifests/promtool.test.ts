import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { alertGroups } from "../../cdk8s/constructs/alerts.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeUnless } from "../servers/databases.ts";
import { findPromtool } from "../servers/promtool.ts";
import { whyNoPromtool } from "../servers/shared.ts";

const run = promisify(execFile);
const pod = 'namespace="bots",pod="worker-1"';

const alertOf = (title: string) => title.replace(/,.*/, "");

/** When an alert, whose name a key begins with, fires: what is measured each half minute, a moment at which it does not fire yet, and one at which it does. */
const cases: Readonly<Record<string, { series: Readonly<Record<string, string>>; quiet: string; fires: string }>> = {
  DiscordAgentComponentDown: {
    series: { [`discord_agent_component_up{${pod},component="postgres"}`]: "1x10 0x20" },
    quiet: "5m",
    fires: "8m",
  },
  DiscordAgentMessagesWait: {
    series: { [`discord_agent_inbox_oldest_waiting_seconds{${pod}}`]: "0+30x40" },
    quiet: "2m",
    fires: "8m",
  },
  DiscordAgentMessagesBuried: {
    series: { [`discord_agent_messages_total{${pod},message_type="buried"}`]: "0x20 1x40" },
    quiet: "9m",
    fires: "14m",
  },
  DiscordAgentBreakerOpen: {
    series: {
      [`discord_agent_circuit_breaker_state{${pod},breaker="gemini_api"}`]: "0x4 2 2 1 2 2 1 2 2 1 2 2 1 2 2 1 2 2 1",
    },
    quiet: "4m",
    fires: "9m",
  },
  "DiscordAgentSettingsStale, of one kind": {
    series: {
      [`discord_agent_kubernetes_last_event_timestamp_seconds{${pod},kind="agent"}`]: "1x120",
      [`discord_agent_kubernetes_last_event_timestamp_seconds{${pod},kind="configmap"}`]: "0+30x120",
    },
    quiet: "20m",
    fires: "40m",
  },
  "DiscordAgentSettingsStale, never heard": {
    series: {
      [`discord_agent_kubernetes_requests_total{${pod},kind="agent",operation="list",status="error"}`]: "1+1x60",
      [`discord_agent_kubernetes_requests_total{${pod},kind="configmap",operation="list",status="error"}`]: "1+0x60",
      [`discord_agent_kubernetes_last_event_timestamp_seconds{${pod},kind="configmap"}`]: "_x4 120+30x60",
    },
    quiet: "4m",
    fires: "10m",
  },
  "DiscordAgentBurnsBudgetFast, amid chatter": {
    series: {
      [`discord_agent_messages_total{${pod},message_type="ignored"}`]: "0+1900x240",
      [`discord_agent_messages_total{${pod},message_type="deferred"}`]: "0+300x240",
      [`discord_agent_messages_total{${pod},message_type="answered"}`]: "0+100x40 4000+0x200",
      [`discord_agent_messages_total{${pod},message_type="buried"}`]: "0x40 0+100x200",
    },
    quiet: "18m",
    fires: "60m",
  },
  DiscordAgentBurnsBudgetFast: {
    series: {
      [`discord_agent_messages_total{${pod},message_type="answered"}`]: "0+100x240",
      [`discord_agent_messages_total{${pod},message_type="buried"}`]: "0x40 0+20x200",
    },
    quiet: "18m",
    fires: "60m",
  },
  DiscordAgentBurnsBudget: {
    series: {
      [`discord_agent_messages_total{${pod},message_type="answered"}`]: "0+100x1000",
      [`discord_agent_messages_total{${pod},message_type="buried"}`]: "0x40 0+5x960",
    },
    quiet: "18m",
    fires: "400m",
  },
};

/** What an alert, whose name a key begins with, is never to be told of. */
const harmless: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "DiscordAgentMessagesBuried, of long ago, for a pod that starts and has not read the inbox yet": {
    [`discord_agent_inbox_buried_messages{${pod}}`]: "0x2 7x60",
    [`discord_agent_inbox_buried_messages{namespace="bots",pod="worker-2"}`]: "7x62",
    [`discord_agent_messages_total{${pod},message_type="buried"}`]: "0x62",
  },
  "DiscordAgentBurnsBudgetFast, where a daily budget is used up": {
    [`discord_agent_messages_total{${pod},message_type="answered"}`]: "0+10x62",
    [`discord_agent_messages_total{${pod},message_type="over_budget"}`]: "0+90x62",
    [`discord_agent_messages_total{${pod},message_type="buried"}`]: "0x62",
  },
};

describeUnless(await whyNoPromtool(), "promtool", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let promtool = "";
  let rules = "";
  beforeAll(async () => {
    [folder, promtool] = await Promise.all([temporaryFolder(), findPromtool()]);
    rules = join(folder.path, "rules.yaml");
    await writeFile(rules, stringify({ groups: alertGroups("discord_agent_waiting_messages") }));
  });
  afterAll(() => folder.remove());

  it("finds nothing wrong with the metrics of a process", async () => {
    const checking = run(promtool, ["check", "metrics"]);
    checking.child.stdin?.end(await makeMetrics().registry.metrics());
    expect((await checking).stderr).toBe("");
  });

  it("finds nothing wrong with the rules", async () => {
    expect((await run(promtool, ["check", "rules", rules])).stdout).toContain("SUCCESS");
  });

  it("sees every alert fire when it should, and not before", async () => {
    const names = JSON.stringify(alertGroups("x")).match(/(?<="alert":")\w+/g);
    expect(new Set(Object.keys(cases).map(alertOf))).toEqual(new Set(names));
    const firing = (name: string) => `count(ALERTS{alertname="${name}",alertstate="firing"}) or vector(0)`;
    const tests = Object.entries(cases).map(([title, { series, quiet, fires }]) => ({
      name: title,
      interval: "30s",
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      promql_expr_test: [
        { expr: firing(alertOf(title)), eval_time: quiet, exp_samples: [{ labels: "{}", value: 0 }] },
        { expr: firing(alertOf(title)), eval_time: fires, exp_samples: [{ labels: "{}", value: 1 }] },
      ],
    }));
    expect(await tried("fires.yaml", tests)).toContain("SUCCESS");
  });

  it("sees none of them pending over what is harmless", async () => {
    const tests = Object.entries(harmless).map(([title, series]) => ({
      name: title,
      interval: "30s",
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      promql_expr_test: [
        {
          expr: `count(count_over_time(ALERTS{alertname="${alertOf(title)}"}[30m])) or vector(0)`,
          eval_time: "30m",
          exp_samples: [{ labels: "{}", value: 0 }],
        },
      ],
    }));
    expect(await tried("harmless.yaml", tests)).toContain("SUCCESS");
  });

  async function tried(name: string, tests: readonly object[]): Promise<string> {
    const file = join(folder.path, name);
    await writeFile(file, stringify({ rule_files: [rules], evaluation_interval: "30s", tests }));
    return (await run(promtool, ["test", "rules", file])).stdout;
  }
});
