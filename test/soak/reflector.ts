import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pino } from "pino";
import type { KubernetesApi } from "../../src/connections/kubernetes.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeReflector, type KubernetesObject } from "../../src/settings/reflector.ts";
import { openDetour } from "../cluster/detour.ts";
import { randomFrom } from "../random.ts";

const run = promisify(execFile);
/** So often what it knows is compared with what is there, and what it holds is counted. */
const compareEveryMs = 10_000;
/** Within which it must know of the last change. */
const patienceMs = 20_000;
const names = 30;

interface Word extends KubernetesObject {
  readonly data?: { readonly word?: string };
}

/** What the soak prints; `missed`: comparisons at which something was not known in time. */
export interface ReflectorReport {
  readonly minutes: number;
  readonly cuts: number;
  readonly writes: number;
  readonly comparisons: number;
  readonly missed: number;
  readonly lists: number;
  readonly descriptors: { readonly first: number; readonly last: number; readonly most: number };
  readonly heapMb: { readonly first: number; readonly last: number; readonly most: number };
  readonly grew: number;
  readonly unhandled: number;
}

/** Cuts the watch of a reflector every second, while objects come, change and go, on the disposable cluster of KUBECONFIG. */
export async function soakReflector(options: { minutes: number; seed: number }): Promise<ReflectorReport> {
  const namespace = `discord-agent-soak-${process.pid}`;
  let unhandled = 0;
  process.on("unhandledRejection", () => (unhandled += 1));
  await run("kubectl", ["create", "namespace", namespace]);
  const [direct, detour] = [await openDetour(namespace), await openDetour(namespace)];
  try {
    return { ...(await soak(direct.api, detour, options)), unhandled };
  } finally {
    await Promise.all([direct.close(), detour.close()]);
    await run("kubectl", ["delete", "namespace", namespace, "--wait=false"]);
  }
}

async function soak(
  direct: KubernetesApi,
  { api, forwarder }: Pick<Awaited<ReturnType<typeof openDetour>>, "api" | "forwarder">,
  { minutes, seed }: { minutes: number; seed: number },
): Promise<Omit<ReflectorReport, "unhandled">> {
  const metrics = makeMetrics();
  const stop = new AbortController();
  const maps = (suffix = "") => `/api/v1/namespaces/${direct.namespace}/configmaps${suffix}`;
  const reflector = makeReflector<Word>({
    api: () => api,
    kind: "configmap",
    path: () => maps(),
    keep: (object) => ((object as Word).data?.word === undefined ? null : (object as Word)),
    onChange: () => {},
    metrics,
    log: pino({ level: "silent" }),
  });
  const running = reflector.run(stop.signal);
  const writer = makeWriter(direct, maps, seed);
  const isSame = async () => {
    const { items } = (await direct.ask({ method: "GET", path: maps() }, AbortSignal.timeout(30_000))) as {
      items: Word[];
    };
    return asText(items) === asText([...reflector.objects().values()]);
  };
  const samples: { descriptors: number; heapMb: number }[] = [];
  let [cuts, comparisons, missed] = [0, 0, 0];
  const cutting = setInterval(() => {
    forwarder.cut();
    cuts += 1;
  }, 1_000);
  for (const end = Date.now() + minutes * 60_000; Date.now() < end;) {
    for (const pause = Date.now() + compareEveryMs; Date.now() < pause;) await writer.write();
    comparisons += 1;
    if (!(await eventually(isSame, patienceMs))) missed += 1;
    samples.push(weigh());
  }
  clearInterval(cutting);
  stop.abort();
  await running;
  const { values } = await metrics.kubernetesRequests.get();
  const lists = values
    .filter(({ labels }) => labels["operation"] === "list")
    .reduce((sum, { value }) => sum + value, 0);
  const descriptors = growth(samples.map((one) => one.descriptors));
  const heapMb = growth(samples.map((one) => one.heapMb));
  const grew = Number(descriptors.last > descriptors.first + 10) + Number(heapMb.last > heapMb.first * 1.5);
  return { minutes, cuts, writes: writer.written(), comparisons, missed, lists, descriptors, heapMb, grew };
}

/** Writes and deletes objects in an order that the seed gives. */
function makeWriter(direct: KubernetesApi, maps: (suffix?: string) => string, seed: number) {
  const random = randomFrom(seed);
  let written = 0;
  return {
    written: () => written,
    write: async () => {
      const name = `word-${Math.floor(random() * names)}`;
      written += 1;
      if (random() < 0.2) {
        await run("kubectl", ["delete", "--raw", maps(`/${name}`)]).catch(() => {});
        return;
      }
      const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { word: String(written) } };
      const query = { fieldManager: "soak", force: "true" };
      const contentType = "application/apply-patch+yaml";
      await direct.ask(
        { method: "PATCH", path: maps(`/${name}`), query, contentType, body },
        AbortSignal.timeout(30_000),
      );
    },
  };
}

function asText(objects: readonly Word[]): string {
  const words = objects.flatMap(({ metadata, data }) => (data?.word ? [`${metadata.name} ${data.word}`] : []));
  return words.toSorted().join("\n");
}

async function eventually(isTrue: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  for (const end = Date.now() + withinMs; Date.now() < end; await setTimeout(100)) if (await isTrue()) return true;
  return false;
}

function weigh() {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const heapMb = Math.round(process.memoryUsage().heapUsed / 1e5) / 10;
  return { descriptors: readdirSync("/proc/self/fd").length, heapMb };
}

/** From the third on: until then connections are opened and code is compiled. */
function growth(samples: readonly number[]) {
  const settled = samples.slice(2);
  return { first: settled[0] ?? Number.NaN, last: settled.at(-1) ?? Number.NaN, most: Math.max(...settled) };
}
