import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeMissingToken } from "../../src/cluster/missing-token.ts";
import { KubernetesError, type KubernetesApi } from "../../src/connections/kubernetes.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

it("a pod without a token tells the cluster so until the cluster takes it, once", async () => {
  const answers = [new KubernetesError(503, "ServiceUnavailable", "busy"), new KubernetesError(0, "", "away")];
  const told: unknown[] = [];
  const api: KubernetesApi = {
    namespace: "bots",
    ask: async ({ body }) => {
      const answer = answers.shift();
      if (answer !== undefined) throw answer;
      told.push(body);
      return {};
    },
    follow: async () => {},
    close: () => {},
  };
  const { signal } = new AbortController();
  const part = makeMissingToken({ api: () => api, pod: "pod-a", log: pino({ level: "silent" }) });
  await part.start(signal, () => {});
  await vi.advanceTimersByTimeAsync(60_000);
  await part.stop(signal);
  expect(told).toMatchObject([{ reason: "MissingDiscordToken", involvedObject: { kind: "Pod", name: "pod-a" } }]);
});
