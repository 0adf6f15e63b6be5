import { pino } from "pino";
import { afterEach, expect, it, vi } from "vitest";
import type { KubernetesApi } from "../../src/connections/kubernetes.ts";
import { makeMetrics, type Metrics } from "../../src/metrics.ts";
import { makeReflector, troubleOf, type KubernetesObject, type Reflector } from "../../src/settings/reflector.ts";
import { describeUnless } from "../servers/databases.ts";
import { describeOnCluster, killApiServer, whyNoRestart } from "./cluster.ts";

interface Word extends KubernetesObject {
  readonly data: { readonly word: string };
}

const patience = { timeout: 60_000, interval: 20 };

describeOnCluster("the reflector, on a real API server,", ({ api, kubectl, through, name }) => {
  const stopping: AbortController[] = [];
  const runs: Promise<void>[] = [];
  afterEach(async () => {
    for (const one of stopping.splice(0)) one.abort();
    await Promise.all(runs.splice(0));
  });

  const maps = (suffix = "") => `/api/v1/namespaces/${name}/configmaps${suffix}`;
  const signal = () => AbortSignal.timeout(20_000);
  const say = async (map: string, word: string) => {
    const body = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: map, labels: { spoken: "yes" } },
      data: { word },
    };
    const query = { fieldManager: "test", force: "true" };
    const contentType = "application/apply-patch+yaml";
    await api().ask({ method: "PATCH", path: maps(`/${map}`), query, contentType, body }, signal());
  };
  const unsay = (...names: string[]) => kubectl(["delete", "configmap", ...names]);
  const open = (connection: KubernetesApi, metrics: Metrics = makeMetrics(), waits = {}): Reflector<Word> => {
    const stop = new AbortController();
    stopping.push(stop);
    const reflector = makeReflector<Word>({
      api: () => connection,
      kind: "configmap",
      path: () => maps(),
      keep: (object) => ("data" in (object as object) && (object as Word).data.word ? (object as Word) : null),
      onChange: () => {},
      metrics,
      log: pino({ level: "silent" }),
      waits: { least: 50, most: 500, ...waits },
    });
    runs.push(reflector.run(stop.signal));
    return reflector;
  };
  const words = (reflector: Reflector<Word>) =>
    Object.fromEntries([...reflector.objects().values()].map(({ metadata, data }) => [metadata.name, data.word]));
  const there = async () => {
    const { items } = (await api().ask({ method: "GET", path: maps() }, signal())) as { items: Word[] };
    return Object.fromEntries(items.flatMap(({ metadata, data }) => (data?.word ? [[metadata.name, data.word]] : [])));
  };
  const sameAsThere = (reflector: Reflector<Word>) =>
    vi.waitFor(async () => expect(words(reflector)).toEqual(await there()), patience);
  const counted = async (metrics: Metrics, operation: string, status: string) => {
    const { values } = await metrics.kubernetesRequests.get();
    return values.find(({ labels }) => labels["operation"] === operation && labels["status"] === status)?.value ?? 0;
  };

  it("sees what is created, changed and deleted, by one list and one watch", async () => {
    const metrics = makeMetrics();
    const reflector = open(api(), metrics);
    await vi.waitFor(() => expect(reflector.isSynced()).toBe(true), patience);
    await say("one", "a");
    await vi.waitFor(() => expect(words(reflector)).toEqual({ one: "a" }), patience);
    await say("one", "b");
    await vi.waitFor(() => expect(words(reflector)).toEqual({ one: "b" }), patience);
    await unsay("one");
    await vi.waitFor(() => expect(words(reflector)).toEqual({}), patience);
    expect([await counted(metrics, "list", "success"), await counted(metrics, "watch", "error")]).toEqual([1, 0]);
  });

  it("reads every page of a long list", async () => {
    const all = Array.from({ length: 520 }, (_, i) => `page-${i}`);
    for (let i = 0; i < all.length; i += 20) await Promise.all(all.slice(i, i + 20).map((one) => say(one, one)));
    const reflector = open(api());
    await vi.waitFor(() => expect(Object.keys(words(reflector))).toHaveLength(520), patience);
    // All in one request: one by one, kubectl takes its time.
    await kubectl(["delete", "--raw", `${maps()}?labelSelector=spoken%3Dyes`]);
    await vi.waitFor(() => expect(words(reflector)).toEqual({}), patience);
  });

  it("misses nothing while its watch is cut again and again, and opens no more and more connections", async () => {
    const { forwarder, api: cut } = await through();
    const metrics = makeMetrics();
    const reflector = open(cut, metrics);
    await vi.waitFor(() => expect(reflector.isSynced()).toBe(true), patience);
    const sockets = () => process.getActiveResourcesInfo().filter((one) => one === "TCPSocketWrap").length;
    const before = sockets();
    for (let i = 0; i < 60; i += 1) {
      forwarder.cut();
      await Promise.all([say(`cut-${i % 7}`, String(i)), say(`cut-${(i + 3) % 7}`, String(i))]);
      if (i % 10 === 9) {
        await unsay(`cut-${i % 7}`);
        await sameAsThere(reflector);
      }
    }
    await sameAsThere(reflector);
    expect(await counted(metrics, "watch", "error")).toBeGreaterThan(5);
    expect(await counted(metrics, "list", "success")).toBe(1);
    expect(sockets()).toBeLessThanOrEqual(before + 10);
    await kubectl(["delete", "configmap", "--selector", "spoken=yes"]);
  });

  it("is no later with the news when each watch is cut as soon as it has brought some", async () => {
    const { forwarder, api: cut } = await through();
    // Twenty failures in a row would be a wait of days.
    const reflector = open(cut, makeMetrics(), { least: 100, most: 1e9 });
    await vi.waitFor(() => expect(reflector.isSynced()).toBe(true), patience);
    for (let i = 0; i < 20; i += 1) {
      await say("news", String(i));
      await vi.waitFor(() => expect(words(reflector)).toEqual({ news: String(i) }), patience);
      forwarder.cut();
    }
    await unsay("news");
  });

  it("notices that the server says nothing any more on a connection that stands, and misses nothing", async () => {
    await say("quiet", "before");
    const { forwarder, api: quiet } = await through();
    const metrics = makeMetrics();
    const reflector = open(quiet, metrics, { silence: 2_000 });
    await vi.waitFor(() => expect(words(reflector)).toEqual({ quiet: "before" }), patience);
    forwarder.silence();
    await say("quiet", "after");
    await vi.waitFor(() => expect(words(reflector)).toEqual({ quiet: "after" }), patience);
    expect(await counted(metrics, "watch", "error")).toBeGreaterThan(0);
    await unsay("quiet");
  });

  describeUnless(whyNoRestart(), "while the API server dies", () => {
    it("goes on with what it knows, and sees what changes afterwards", async () => {
      await say("kept", "before");
      const reflector = open(api());
      await vi.waitFor(() => expect(words(reflector)).toEqual({ kept: "before" }), patience);
      const start = await killApiServer();
      await vi.waitFor(() => expect(reflector.trouble()?.status).toBe(0), patience);
      expect([reflector.isSynced(), words(reflector)]).toEqual([true, { kept: "before" }]);
      await start();
      await say("kept", "after");
      await vi.waitFor(() => expect(words(reflector)).toEqual({ kept: "after" }), patience);
      expect(reflector.trouble()).toBeNull();
      await unsay("kept");
    });

    it("notices what was deleted while it could not listen, after its version has expired", async () => {
      await Promise.all([say("gone", "x"), say("stays", "y")]);
      const { forwarder, api: cut } = await through();
      const metrics = makeMetrics();
      const reflector = open(cut, metrics);
      await vi.waitFor(() => expect(words(reflector)).toEqual({ gone: "x", stays: "y" }), patience);
      // Nobody listens at that port: it is away, and the cluster is not.
      forwarder.point(1);
      forwarder.cut();
      await vi.waitFor(() => expect(reflector.trouble()?.status).toBe(0), patience);
      await unsay("gone");
      // A new API server has no memory of versions before its own start.
      await (
        await killApiServer()
      )();
      await say("new", "z");
      forwarder.point(
        Number(/:(\d+)/.exec(await kubectl(["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]))?.[1]),
      );
      await vi.waitFor(() => expect(words(reflector)).toEqual({ new: "z", stays: "y" }), patience);
      await unsay("new", "stays");
    });
  });

  it("says which right is missing, and goes on by itself when it is given", async () => {
    await kubectl(["create", "serviceaccount", "reader"]);
    const token = (await kubectl(["create", "token", "reader"])).trim();
    const { api: restricted } = await through(token);
    const reflector = open(restricted);
    await vi.waitFor(() => expect(reflector.trouble()?.status).toBe(403), patience);
    const trouble = reflector.trouble();
    expect(trouble === null ? "" : troubleOf("configmap", trouble)).toMatch(/must allow list and watch of configmaps/);
    await kubectl(["create", "role", "reader", "--verb=get,list,watch", "--resource=configmaps"]);
    await kubectl(["create", "rolebinding", "reader", "--role=reader", `--serviceaccount=${name}:reader`]);
    await vi.waitFor(() => expect([reflector.trouble(), reflector.isSynced()]).toEqual([null, true]), patience);
  });
});
