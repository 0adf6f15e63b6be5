import { pino } from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { KubernetesError, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeReflector, type KubernetesObject } from "../../src/settings/reflector.ts";

const gone = () => new KubernetesError(410, "Expired", "The provided continue parameter is too old");
const page = (names: readonly string[], more = "") => ({
  metadata: { resourceVersion: "7", continue: more },
  items: names.map((name) => ({ metadata: { name, resourceVersion: "1" } })),
});

const stopping: AbortController[] = [];
afterEach(() => {
  for (const one of stopping.splice(0)) one.abort();
});
/** A reflector of a cluster that answers so, one thing after another; the last watch goes on for ever. */
const follow = (lists: (object | KubernetesError)[], watches: ("gone" | "told to be gone")[]) => {
  const metrics = makeMetrics();
  const asked: string[] = [];
  const askedAt: number[] = [];
  const api: KubernetesApi = {
    namespace: "bots",
    ask: async ({ query }) => {
      askedAt.push(performance.now());
      asked.push(query?.["continue"] ?? "first");
      const next = lists.shift() ?? page([]);
      if (next instanceof KubernetesError) throw next;
      return next;
    },
    follow: async (_, { onOpen, onLine }, signal) => {
      const next = watches.shift();
      if (next === "gone") throw gone();
      onOpen();
      if (next === "told to be gone")
        return onLine(JSON.stringify({ type: "ERROR", object: { code: 410, reason: "Expired", message: "too old" } }));
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    close: () => {},
  };
  const reflector = makeReflector<KubernetesObject>({
    api: () => api,
    path: () => "/x",
    kind: "agent",
    keep: (object) => object as KubernetesObject,
    onChange: () => {},
    metrics,
    log: pino({ level: "silent" }),
    waits: { least: 1, most: 5 },
  });
  const stop = new AbortController();
  stopping.push(stop);
  void reflector.run(stop.signal);
  const names = () => [...reflector.objects().keys()];
  const expired = async (operation: string) =>
    (await metrics.registry.getSingleMetric("discord_agent_kubernetes_requests_total")?.get())?.values.find(
      ({ labels }) => labels["status"] === "expired" && labels["operation"] === operation,
    )?.value;
  return { names, expired, asked, askedAt, reflector };
};

describe("a version that the API server no longer knows", () => {
  it.each(["gone", "told to be gone"] as const)(
    "when a watch begins with it (%s): everything is listed anew, and what vanished is noticed; it is no trouble",
    async (how) => {
      const { names, expired, reflector } = follow([page(["mira", "teo"]), page(["mira"])], [how]);
      await vi.waitFor(() => expect(names()).toEqual(["mira"]));
      expect([await expired("watch"), reflector.trouble()]).toEqual([1, null]);
    },
  );

  it("in the middle of a list of pages: it is begun anew, and nothing of it is missing", async () => {
    const { names, expired, asked } = follow(
      [page(["mira"], "more"), gone(), page(["mira"], "more"), page(["teo"])],
      [],
    );
    await vi.waitFor(() => expect(names()).toEqual(["mira", "teo"]));
    expect([asked, await expired("list")]).toEqual([["first", "more", "first", "more"], 1]);
  });
});

describe("a server that is overloaded and says when to come back", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each([0, 0.999])("is not asked before, whatever chance says (%d)", async (chance) => {
    vi.spyOn(Math, "random").mockReturnValue(chance);
    const { names, askedAt } = follow([new KubernetesError(429, "TooManyRequests", "wait", 200), page(["mira"])], []);
    await vi.waitFor(() => expect(names()).toEqual(["mira"]), 5_000);
    const [first = 0, second = 0] = askedAt;
    expect(second - first).toBeGreaterThan(198);
  });

  it("is not asked by a whole fleet at once", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    const { names, askedAt } = follow([new KubernetesError(429, "TooManyRequests", "wait", 200), page(["mira"])], []);
    await vi.waitFor(() => expect(names()).toEqual(["mira"]), 5_000);
    const [first = 0, second = 0] = askedAt;
    expect(second - first).toBeGreaterThan(300);
  });
});
