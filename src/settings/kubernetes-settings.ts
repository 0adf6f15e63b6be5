import { setTimeout as wait } from "node:timers/promises";
import type { KubernetesApi } from "../connections/kubernetes.ts";
import { asError, type Fault } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { changeOf, snapshotOf } from "./agents-rules.ts";
import { decideAgents, type AgentObject, type AgentState, type ConfigMapObject } from "./cluster-agents.ts";
import { makeReflector, troubleOf, type Reflector } from "./reflector.ts";
import type { Settings, Snapshot } from "./settings.ts";

interface KubernetesSettingsOptions {
  readonly open: () => Promise<KubernetesApi>;
  readonly hasVoice: (agent: string) => boolean;
  /** Takes the ConfigMap with what may change besides the agents, null when it is not there, and says what is wrong with it. */
  readonly tune: {
    readonly configMap: string | null;
    readonly take: (data: Readonly<Record<string, string>> | null) => readonly Fault[];
  };
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Settings from the cluster, and how each of its Agent objects fares. */
export interface KubernetesSettings extends Settings {
  /** Throws before the start. */
  api(): KubernetesApi;
  states(): readonly AgentState[];
  /** Calls back after each change of the states. */
  onChange(listener: () => void): void;
}

const stopMs = 2_000;
/** Between two looks at what has changed. */
const gatherMs = 100;

/**
 * Settings from the Agent objects of a namespace and the ConfigMaps that hold their prompts. The start waits until there is an agent that can be
 * served; afterwards whatever is read of the cluster holds, also while its API server is away.
 */
export function watchKubernetes(options: KubernetesSettingsOptions): KubernetesSettings {
  const closing = new AbortController();
  const first = Promise.withResolvers<void>();
  const listeners: (() => void)[] = [];
  let api: KubernetesApi | null = null;
  let running: Promise<unknown> = Promise.resolve();

  const there = (): KubernetesApi => {
    if (api === null) throw new Error("settings are read before they were started");
    return api;
  };
  const trouble = () => [agents, configMaps].map(troubleIn).find((sentence) => sentence !== null) ?? null;
  const look = () => {
    if (closing.signal.aborted || !isKnown()) return;
    verdict.decide(agents.objects(), configMaps.isSynced() ? configMaps.objects() : null);
    if (verdict.snapshot() !== null) first.resolve();
    for (const tell of listeners) tell();
  };
  const { agents, configMaps } = makeReflectors(options, there, gathered(look));
  const isKnown = () => agents.isSynced() && (configMaps.isSynced() || configMaps.trouble() !== null);
  const reports = makeReports(options.log, () => there().namespace);
  const verdict = makeVerdict(options, reports);

  return {
    name: "settings",
    start: async (signal) => {
      api = await options.open();
      running = Promise.all([agents.run(closing.signal), configMaps.run(closing.signal)]);
      await Promise.race([first.promise, aborted(signal)]);
    },
    obstacle: () => trouble() ?? (isKnown() ? nobodyToServe(there().namespace) : "the cluster is not read yet"),
    stop: async (deadline) => {
      closing.abort();
      const limit = wait(stopMs, undefined, { ref: false, signal: deadline }).catch(() => {});
      await Promise.race([running, limit]);
      api?.close();
    },
    check: async () => {
      const refused = verdict.faults().length;
      const snapshot = verdict.snapshot();
      const details = { revision: snapshot?.revision ?? null, agents: snapshot?.agents.length ?? 0, refused };
      const reason = trouble();
      if (reason !== null) return { status: "degraded", details: { ...details, reason } };
      return { status: refused > 0 ? "degraded" : "healthy", details };
    },
    current: () => {
      const snapshot = verdict.snapshot();
      if (snapshot === null) throw new Error("settings are read before they were started");
      return snapshot;
    },
    revision: () => verdict.snapshot()?.revision ?? null,
    refused: () => verdict.faults(),
    api: there,
    states: () => verdict.states(),
    onChange: (listener) => listeners.push(listener),
  };
}

/** Whatever comes at once is looked at once, and a stream of changes from time to time. */
function gathered(look: () => void): () => void {
  let timer: NodeJS.Timeout | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return () => {
    timer ??= setTimeout(
      () => {
        timer = null;
        lookedAt = performance.now();
        look();
      },
      Math.max(0, lookedAt + gatherMs - performance.now()),
    );
  };
}

function makeReflectors({ metrics, log }: KubernetesSettingsOptions, api: () => KubernetesApi, onChange: () => void) {
  const inNamespace = (group: string, plural: string) => () => `${group}/namespaces/${api().namespace}/${plural}`;
  const shared = { api, onChange, metrics, log };
  return {
    agents: makeReflector<AgentObject>({
      ...shared,
      kind: "agent",
      path: inNamespace("/apis/discord-agent.dev/v1alpha1", "agents"),
      keep: keepAgent,
    }),
    configMaps: makeReflector<ConfigMapObject>({
      ...shared,
      kind: "configmap",
      path: inNamespace("/api/v1", "configmaps"),
      keep: keepConfigMap,
    }),
  };
}

/** What is served, and why the rest is not. */
function makeVerdict({ hasVoice, tune }: KubernetesSettingsOptions, reports: ReturnType<typeof makeReports>) {
  let snapshot: Snapshot | null = null;
  let states: readonly AgentState[] = [];
  let faults: readonly Fault[] = [];
  let decided: string | null = null;
  return {
    snapshot: () => snapshot,
    states: () => states,
    faults: () => faults,
    /** A look at objects of which only the status is another decides nothing. */
    decide: (
      objects: ReadonlyMap<string, AgentObject>,
      configMaps: ReadonlyMap<string, ConfigMapObject> | null,
    ): void => {
      const versions = versionsOf(objects, configMaps);
      if (versions === decided) {
        states = states.map((state) => ({ ...state, object: objects.get(state.object.metadata.name) ?? state.object }));
        return;
      }
      decided = versions;
      const last = new Map(states.flatMap(({ object, good }) => (good === null ? [] : [[object.metadata.name, good]])));
      states = decideAgents(objects.values(), { configMaps, last, hasVoice });
      faults = [...tuningFaults(tune, configMaps), ...faultsOf(states)];
      reports.faults(faults);
      const served = states.flatMap(({ agent }) => agent ?? []);
      // A namespace that was emptied by mistake must not silence the bot.
      if (served.length === 0) return reports.nobody(snapshot);
      const next = snapshotOf(served);
      if (next.revision === snapshot?.revision) return;
      reports.change(snapshot, next);
      snapshot = next;
    },
  };
}

/** Tells apart what people have written: an object's generation counts the versions of its spec. */
function versionsOf(
  objects: ReadonlyMap<string, AgentObject>,
  configMaps: ReadonlyMap<string, ConfigMapObject> | null,
): string {
  return [
    ...[...objects.values()].map(({ metadata: { name, uid, generation } }) => `${name} ${uid} ${generation}`),
    configMaps === null ? "unread" : "",
    ...[...(configMaps?.values() ?? [])].map(({ metadata: { name, resourceVersion } }) => `${name} ${resourceVersion}`),
  ].join();
}

function tuningFaults(
  { configMap, take }: KubernetesSettingsOptions["tune"],
  configMaps: ReadonlyMap<string, ConfigMapObject> | null,
): Fault[] {
  if (configMap === null || configMaps === null) return [];
  const found = configMaps.get(configMap) ?? null;
  return take(found?.data ?? null).map((fault) => ({ ...fault, where: `configmap/${configMap} data.${fault.where}` }));
}

function keepAgent(value: unknown): AgentObject | null {
  const { apiVersion, kind, metadata, spec, status } = value as AgentObject & { apiVersion?: string; kind?: string };
  const { managedFields: _, ...kept } = metadata as AgentObject["metadata"] & { managedFields?: unknown };
  // Items of a list do not say what they are.
  const whole = { apiVersion: apiVersion ?? "discord-agent.dev/v1alpha1", kind: kind ?? "Agent", metadata: kept, spec };
  return status === undefined ? whole : { ...whole, status };
}

function keepConfigMap(value: unknown): ConfigMapObject | null {
  const { metadata, data = {} } = value as Partial<ConfigMapObject> & Pick<ConfigMapObject, "metadata">;
  return { metadata: { name: metadata.name, resourceVersion: metadata.resourceVersion }, data };
}

function faultsOf(states: readonly AgentState[]): Fault[] {
  return states.flatMap(({ refused, unresolved }) => [...refused, ...unresolved]);
}

const nobodyToServe = (namespace: string) =>
  `there is no Agent to serve in the namespace ${namespace} yet; waiting for one: kubectl apply -f agents.yaml`;

function troubleIn(reflector: Reflector<AgentObject | ConfigMapObject>): string | null {
  const trouble = reflector.trouble();
  return trouble === null ? null : troubleOf(reflector.kind, trouble);
}

/** What the log tells, each thing once. */
function makeReports(log: Logger, namespace: () => string) {
  let faultsTold = "[]";
  let isEmptyTold = false;
  return {
    change: (before: Snapshot | null, after: Snapshot) => {
      isEmptyTold = false;
      if (before !== null) return log.info(changeOf(before, after), "the agents changed");
      const names = after.agents.map(({ name }) => name);
      return log.info({ revision: after.revision, agents: names }, `agents read from the namespace ${namespace()}`);
    },
    faults: (faults: readonly Fault[]) => {
      const now = JSON.stringify(faults);
      if (now === faultsTold) return;
      faultsTold = now;
      if (faults.length === 0) log.info("the settings are good again");
      else log.error({ faults }, "settings of the cluster have faults; see kubectl describe dagent");
    },
    nobody: (last: Snapshot | null) => {
      if (isEmptyTold) return;
      isEmptyTold = true;
      const where = namespace();
      if (last === null) log.warn(nobodyToServe(where));
      else
        log.error(
          { revision: last.revision },
          `there is no Agent to serve in the namespace ${where} any more; the last ones stay until the end of this process`,
        );
    },
  };
}

async function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () => reject(asError(signal.reason));
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return await promise;
}
