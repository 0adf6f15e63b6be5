import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeStatusWriter } from "../../src/cluster/status-writer.ts";
import { KubernetesError, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { decideAgents, type AgentObject } from "../../src/settings/cluster-agents.ts";

let writer: Component | null = null;
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(async () => {
  await writer?.stop(new AbortController().signal);
  vi.useRealTimers();
});

/** A pod that writes the status of one Agent, which has no prompt, into a cluster that answers to its events so, one after another, and takes the rest. */
function follow(...answers: (KubernetesError | null)[]) {
  const seen: string[] = [];
  const warnings: string[] = [];
  const pods: { pod: string; revisions: Record<string, string> }[] = [{ pod: "pod-a", revisions: {} }];
  const metadata = { name: "mira", uid: "1", generation: 1, resourceVersion: "7" };
  const spec = { displayName: "Mira", description: "Plans" };
  const object = { apiVersion: "discord-agent.dev/v1alpha1", kind: "Agent", metadata, spec } as AgentObject;
  const states = decideAgents([object], { configMaps: new Map(), last: new Map(), hasVoice: () => true });
  const api: KubernetesApi = {
    namespace: "bots",
    ask: async ({ method, body }) => {
      const event = body as { readonly reason: string };
      const answer = method === "PATCH" ? null : (answers.shift() ?? null);
      seen.push(`${method === "PATCH" ? "status" : event.reason}${answer === null ? "" : ` ${answer.status}`}`);
      if (answer !== null) throw answer;
      return {};
    },
    follow: async () => {},
    close: () => {},
  };
  writer = makeStatusWriter({
    settings: { api: () => api, states: () => states, onChange: () => {} },
    serving: {
      name: "serving",
      pods: () => pods,
      tell: async () => {},
      onChange: () => {},
      start: async () => {},
      stop: async () => {},
    },
    pod: "pod-a",
    model: "offline",
    metrics: makeMetrics(),
    log: pino({ level: "warn" }, { write: (line) => warnings.push((JSON.parse(line) as { msg: string }).msg) }),
  });
  const start = () => writer?.start(new AbortController().signal, () => {});
  return { seen, warnings, pods, start };
}

const busy = () => new KubernetesError(503, "ServiceUnavailable", "busy");

it("what could not be told is told later, in order, and its status is not written twice", async () => {
  const { seen, warnings, start } = follow(null, busy(), busy());
  await start();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(seen).toEqual(["status", "NotAccepted", "NotServing 503", "NotServing 503", "NotServing"]);
  expect(warnings).toEqual(["an event could not be written"]);
});

it("what could not be told is told although another pod writes by now", async () => {
  const { seen, pods, start } = follow(busy());
  await start();
  await vi.advanceTimersByTimeAsync(1_000);
  pods.unshift({ pod: "pod-0", revisions: {} });
  await vi.advanceTimersByTimeAsync(20_000);
  expect(seen).toEqual(["status", "NotAccepted 503", "NotAccepted", "NotServing"]);
});

it("what the cluster will never take does not keep back the rest", async () => {
  const { seen, warnings, start } = follow(new KubernetesError(422, "Invalid", "no event"));
  await start();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(seen).toEqual(["status", "NotAccepted 422", "NotServing"]);
  expect(warnings).toEqual(["an event could not be written"]);
});
