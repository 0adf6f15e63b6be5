import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { openKubernetes, type KubernetesApi } from "../src/connections/kubernetes.ts";
import { applyAgentCrd } from "../test/cluster/agent-crd.ts";
import type { TestNamespace } from "../test/cluster/cluster.ts";
import { gatherCrowd, type Crowd } from "../test/cluster/conversation.ts";
import { allReady, botToken, podsOf, startSimulatorPod, synthesize, valuesFor } from "../test/cluster/release.ts";
import { patience, until } from "../test/cluster/until.ts";
import { machine, median, percentile, ratio } from "./machine.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
const parts = ["gateway", "worker"] as const;
const changes = 20;
/** A watch is counted when it ends, after five to ten minutes: each ends several times meanwhile. */
const idleMs = 1_800_000;
const many = 1_000;

type Place = Pick<TestNamespace, "name" | "kubectl" | "atTheEnd">;

/** What the product costs and takes on the cluster of KUBECONFIG, whose nodes have its image and whose pods are reached from here. */
export async function benchKubernetes(rounds: number): Promise<object> {
  const name = `discord-agent-bench-${process.pid}`;
  const closing: (() => Promise<void> | void)[] = [];
  const kubectl: Place["kubectl"] = async (args, input) => {
    const started = run("kubectl", ["--namespace", name, ...args], { maxBuffer: 1 << 26 });
    started.child.stdin?.end(input ?? "");
    return (await started).stdout;
  };
  const api = await openKubernetes({ namespace: name });
  await kubectl(["create", "namespace", name]);
  try {
    const place = { name, kubectl, atTheEnd: (close: () => Promise<void> | void) => void closing.push(close) };
    const synthMs = await timeSynth(rounds);
    const crowd = await install(place);
    const podReadyMs = await timePods(place, api, rounds);
    const agent = await timeChanges(api, crowd);
    const apiRequestsPerPodAndHour = await countRequests(api);
    const figures = {
      agentChange: agent,
      podReadyMs,
      synthMs,
      apiRequestsPerPodAndHour,
      thousandAgents: await weighAgents(place, api),
      imageMb: await imageMb(kubectl),
    };
    const goals = {
      agentChangeP95Ms: 1_000,
      podReadyMs: 3_000,
      synthMs: 3_000,
      apiRequestsPerPodAndHour: 30,
      imageMb: 200,
    };
    return {
      bench: "kubernetes",
      rounds,
      figures,
      goals,
      ratioToGoal: {
        agentChangeP95Ms: ratio(agent.answeredMs.p95, goals.agentChangeP95Ms),
        podReadyMs: ratio(Math.max(podReadyMs.gateway, podReadyMs.worker), goals.podReadyMs),
        synthMs: ratio(synthMs, goals.synthMs),
        apiRequestsPerPodAndHour: ratio(apiRequestsPerPodAndHour, goals.apiRequestsPerPodAndHour),
        imageMb: ratio(figures.imageMb, goals.imageMb),
      },
      machine: machine(),
    };
  } finally {
    for (const close of closing) await close();
    await kubectl(["delete", "namespace", name, "--wait=false"]);
    api.close();
  }
}

/** Two gateways, two workers, the offline model, and a Discord in a pod. */
async function install(place: Place): Promise<Crowd> {
  const namespace = place as TestNamespace;
  await applyAgentCrd(place.kubectl);
  const simulator = await startSimulatorPod(namespace, { by: "address" });
  // What is measured from outside must be let in.
  const values = { topology: "split", ...(await valuesFor(namespace)), networkPolicy: { enabled: false } };
  const folder = await synthesize(place.name, values, { agents: "agents.yaml", secrets: { DISCORD_TOKEN: botToken } });
  await place.kubectl(["apply", "-k", folder]);
  for (const part of parts) await allReady(place.kubectl, part, 2);
  return gatherCrowd(simulator, 4);
}

async function timeSynth(rounds: number): Promise<number> {
  const out = await mkdtemp(join(tmpdir(), "synth-"));
  const samples: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    await run(process.execPath, ["cdk8s/main.ts", "--out", join(out, String(round))], { cwd: root });
    samples.push(performance.now() - began);
  }
  await rm(out, { recursive: true });
  return median(samples);
}

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly status: { readonly podIP?: string; readonly conditions?: readonly { type: string; status: string }[] };
  }[];
}

async function read(api: KubernetesApi, part?: string): Promise<Pods["items"]> {
  const selector =
    part === undefined ? "app.kubernetes.io/component in (gateway,worker)" : `app.kubernetes.io/component=${part}`;
  const path = `/api/v1/namespaces/${api.namespace}/pods`;
  const { items } = (await api.ask(
    { method: "GET", path, query: { labelSelector: selector } },
    AbortSignal.timeout(10_000),
  )) as Pods;
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** From when a pod that takes another's place is there until it is Ready, in milliseconds, to 50. */
async function timePods(
  { kubectl }: Place,
  api: KubernetesApi,
  rounds: number,
): Promise<Record<(typeof parts)[number], number>> {
  const figures = { gateway: Number.NaN, worker: Number.NaN };
  for (const part of parts) {
    const samples: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const before = await podsOf(kubectl, part);
      const known = new Set(before.map((pod) => pod.name));
      await kubectl(["delete", "pod", before[0]?.name ?? "", "--wait=false"]);
      const fresh = async () => {
        const found = (await read(api, part)).find(({ metadata }) => !known.has(metadata.name));
        if (found === undefined) throw new Error("no new pod yet");
        return found;
      };
      const often = { ...patience, interval: 50 };
      await until(fresh, often);
      const began = performance.now();
      await until(async () => {
        const isReady = (await fresh()).status.conditions?.some(
          ({ type, status }) => type === "Ready" && status === "True",
        );
        if (isReady !== true) throw new Error("it is not ready yet");
      }, often);
      samples.push(performance.now() - began);
      await allReady(kubectl, part, 2);
    }
    figures[part] = median(samples);
  }
  return figures;
}

/** From a change of an Agent until every pod says that it serves it, and until the first answer by it that was asked for afterwards. */
async function timeChanges(api: KubernetesApi, crowd: Crowd) {
  const urls = (await read(api)).map(({ status }) => `http://${status.podIP}:8000/status`);
  const revisions = () =>
    Promise.all(
      urls.map(
        async (url) => ((await (await fetch(url)).json()) as { settings: { revision: string } }).settings.revision,
      ),
    );
  const [everywhere, answered]: [number[], number[]] = [[], []];
  for (let n = 0; n < changes; n += 1) {
    const before = new Set(await revisions());
    const displayName = `Mira${n}`;
    const path = `/apis/discord-agent.dev/v1alpha1/namespaces/${api.namespace}/agents/mira`;
    const contentType = "application/merge-patch+json";
    const began = performance.now();
    await api.ask({ method: "PATCH", path, contentType, body: { spec: { displayName } } }, AbortSignal.timeout(10_000));
    await until(
      async () => {
        const now = await revisions();
        if (new Set(now).size > 1 || now.some((one) => before.has(one))) throw new Error("not everywhere yet");
      },
      { timeout: 60_000, interval: 10 },
    );
    everywhere.push(performance.now() - began);
    const answer = await crowd.ask(`${displayName}, is it you?`);
    answered.push(performance.now() - began);
    if (!answer.startsWith(`**${displayName}:**`)) throw new Error(`an older version answered: ${answer.slice(0, 40)}`);
  }
  return { everywhereMs: slowEnd(everywhere), answeredMs: slowEnd(answered), changes, pods: urls.length };
}

const slowEnd = (samples: readonly number[]) => ({ p50: percentile(samples, 0.5), p95: percentile(samples, 0.95) });

/** Samples of one metric of each pod, those with this label where one is named, added up; rejects where a pod has none. */
async function sums(api: KubernetesApi, name: string, label = ""): Promise<number[]> {
  return Promise.all(
    (await read(api)).map(async ({ metadata, status }) => {
      const text = await (await fetch(`http://${status.podIP}:8000/metrics`)).text();
      const samples = [...text.matchAll(new RegExp(`^${name}(?:\\{.*${label}.*\\})? (\\S+)$`, "gm"))];
      if (samples.length === 0) throw new Error(`${metadata.name} has no metric ${name}{${label}}`);
      return samples.reduce((sum, [, value]) => sum + Number(value), 0);
    }),
  );
}

async function countRequests(api: KubernetesApi): Promise<number> {
  const total = async () =>
    (await sums(api, "discord_agent_kubernetes_requests_total")).reduce((sum, one) => sum + one, 0);
  // What the last change has set off.
  await setTimeout(30_000);
  const before = await total();
  await setTimeout(idleMs);
  return Math.round((((await total()) - before) / (await read(api)).length) * (3_600_000 / idleMs));
}

/** What a thousand more Agents take in each pod, and how long it takes until all have their status. */
async function weighAgents({ kubectl }: Place, api: KubernetesApi) {
  const memory = async () => median(await sums(api, "discord_agent_process_memory_bytes", 'kind="rss"'));
  const before = await memory();
  const agents = Array.from({ length: many }, (_, n) => ({
    apiVersion: "discord-agent.dev/v1alpha1",
    kind: "Agent",
    metadata: { name: `agent-${n}` },
    spec: {
      displayName: `Agent ${n}`,
      description: `Knows the number ${n}.`,
      prompt: `You know all about the number ${n}.`,
    },
  }));
  const began = performance.now();
  await kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: agents }));
  const createdMs = performance.now() - began;
  const path = `/apis/discord-agent.dev/v1alpha1/namespaces/${api.namespace}/agents`;
  await until(
    async () => {
      const { items } = (await api.ask({ method: "GET", path }, AbortSignal.timeout(30_000))) as {
        items: { status?: { serving?: string } }[];
      };
      const waiting = items.filter(({ status }) => status?.serving !== "4/4").length;
      if (waiting > 0) throw new Error(`${waiting} Agents are not served by all pods`);
    },
    { timeout: 600_000, interval: 1_000 },
  );
  const servedMs = performance.now() - began;
  return {
    residentMbPerPod: Math.round(((await memory()) - before) / 1e5) / 10,
    createdSeconds: Math.round(createdMs / 1_000),
    servedSeconds: Math.round(servedMs / 1_000),
  };
}

/** As the node counts it, unpacked. */
async function imageMb(kubectl: Place["kubectl"]): Promise<number> {
  const { items } = JSON.parse(await kubectl(["get", "nodes", "-o", "json"])) as {
    items: { status: { images: { names: string[]; sizeBytes: number }[] } }[];
  };
  const ours = items[0]?.status.images.find(({ names }) => names.some((one) => one.includes("/discord-agent:")));
  return Math.round((ours?.sizeBytes ?? Number.NaN) / 1e5) / 10;
}
