import type { KubernetesApi } from "../connections/kubernetes.ts";
import { asError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { revisionOf } from "../settings/agents-rules.ts";
import type { AgentObject, AgentState } from "../settings/cluster-agents.ts";
import type { KubernetesSettings } from "../settings/kubernetes-settings.ts";
import { isSameStatus, statusOf, transitionsOf, type AgentStatus } from "./agent-status.ts";
import { makeUntold, type Happening } from "./events.ts";
import type { Serving } from "./serving.ts";

const apiVersion = "discord-agent.dev/v1alpha1";
const fieldManager = "discord-agent";
/** What comes at once is written once; somebody who waits for it does not notice. */
const gatherMs = 100;
const againMs = 5_000;

interface StatusWriterOptions {
  readonly settings: Pick<KubernetesSettings, "api" | "states" | "onChange">;
  readonly serving: Serving;
  readonly pod: string;
  /** What an agent without a model of its own writes with. */
  readonly model: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Which process writes: the first by name of those that are there; null before the start. */
export function electedOf(serving: Pick<Serving, "pods">): string | null {
  return serving.pods()[0]?.pod ?? null;
}

/**
 * Writes how the Agents fare into their status, from the one process that is elected. Two that both believe to be it write the same; an Agent that
 * has the right status already is not written.
 */
export function makeStatusWriter(options: StatusWriterOptions): Component {
  const { settings, serving, log } = options;
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let working = Promise.resolve();
  let isRunning = false;
  let isDue = false;
  // By uid; the watch tells of it a moment later.
  const written = new Map<string, Written>();
  const untold = makeUntold({ api: () => settings.api(), log });

  const later = (ms: number) => {
    if (isDue || !isRunning) return;
    isDue = true;
    timer = setTimeout(() => {
      isDue = false;
      working = working.then(writeAll);
    }, ms).unref();
  };
  const writeAll = async () => {
    if (!isRunning) return;
    const isElected = electedOf(serving) === options.pod;
    const isLeft = isElected && (await writeStatuses(options, written, untold, closing.signal));
    // Also when another is elected meanwhile: it finds the status written and has nothing to tell.
    if ((await untold.tell(closing.signal)) || isLeft) later(againMs);
  };
  let leader: string | null = null;
  const tellLeader = () => {
    const now = electedOf(serving);
    if (now === leader) return;
    leader = now;
    log.info({ component: "status", leader }, "the pod that writes the status of the Agents");
  };
  settings.onChange(() => {
    void serving.tell();
    later(gatherMs);
  });
  serving.onChange(() => {
    tellLeader();
    later(gatherMs);
  });
  return {
    name: "status",
    start: async () => {
      isRunning = true;
      later(gatherMs);
    },
    stop: async () => {
      isRunning = false;
      clearTimeout(timer);
      closing.abort();
      await working;
    },
    check: async () => ({ status: "healthy", details: { elected: electedOf(serving) === options.pod } }),
  };
}

/** What this process serves, by the agent's name. */
export function revisionsOf(states: readonly AgentState[]): Record<string, string> {
  return Object.fromEntries(states.flatMap(({ agent }) => (agent === null ? [] : [[agent.name, revisionOf(agent)]])));
}

/** A status that was written onto a version of an object. */
interface Written {
  readonly on: string;
  readonly status: AgentStatus;
}

/** Resolves to whether one is left for another time. */
async function writeStatuses(
  options: StatusWriterOptions,
  written: Map<string, Written>,
  untold: ReturnType<typeof makeUntold>,
  signal: AbortSignal,
): Promise<boolean> {
  let isLeft = false;
  for (const state of options.settings.states()) {
    const { name, uid = "" } = state.object.metadata;
    try {
      untold.add({ apiVersion, kind: "Agent", name, uid }, await writeOne(options, state, written, signal));
    } catch (error) {
      if (signal.aborted) return false;
      options.metrics.kubernetesRequests.inc({ kind: "agent", operation: "status", status: "error" });
      const { message: reason } = asError(error);
      options.log.warn({ component: "status", agent: name, reason }, "a status could not be written");
      isLeft = true;
    }
  }
  return isLeft;
}

/** Resolves to what there is to tell of it. */
async function writeOne(
  { settings, serving, model, metrics }: StatusWriterOptions,
  state: AgentState,
  written: Map<string, Written>,
  signal: AbortSignal,
): Promise<Happening[]> {
  const { object: seen } = state;
  const { uid = seen.metadata.name, resourceVersion } = seen.metadata;
  const mine = written.get(uid);
  const object = mine?.on === resourceVersion ? { ...seen, status: mine.status } : seen;
  const status = statusOf({ ...state, object }, serving.pods(), model, new Date());
  if (isSameStatus(status, object.status)) return [];
  await patchStatus(settings.api(), object, status, signal);
  written.set(uid, { on: resourceVersion, status });
  metrics.kubernetesRequests.inc({ kind: "agent", operation: "status", status: "success" });
  return transitionsOf(status, object.status);
}

async function patchStatus(
  api: KubernetesApi,
  { metadata }: AgentObject,
  status: AgentStatus,
  signal: AbortSignal,
): Promise<void> {
  await api.ask(
    {
      method: "PATCH",
      path: `/apis/${apiVersion}/namespaces/${api.namespace}/agents/${metadata.name}/status`,
      query: { fieldManager, force: "true" },
      // JSON is YAML; without this type the server would take it for a JSON Patch.
      contentType: "application/apply-patch+yaml",
      body: { apiVersion, kind: "Agent", metadata: { name: metadata.name }, status },
    },
    signal,
  );
}
