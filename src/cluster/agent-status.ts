import type { Fault } from "../errors.ts";
import { revisionOf } from "../settings/agents-rules.ts";
import type { AgentState } from "../settings/cluster-agents.ts";
import type { Happening } from "./events.ts";
import type { ServingPod } from "./serving.ts";

/** As Kubernetes has them (metav1.Condition). */
interface Condition {
  readonly type: "Accepted" | "ReferencesResolved" | "Serving";
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  /** Of the last change of `status`; ISO 8601, whole seconds. */
  readonly lastTransitionTime: string;
}

/** The status of an Agent object. It holds no counters and no times but those of transitions: an Agent that does not change is not written. */
export interface AgentStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
  readonly model: string;
  /** As "3/3": the processes that serve this version, of all. */
  readonly serving: string;
  /** What is served, this version or the last good one; empty when nothing is. */
  readonly revision: string;
}

const mostMessage = 1_000;

/** The status that an Agent should have, given what the processes of the fleet serve. */
export function statusOf(state: AgentState, pods: readonly ServingPod[], model: string, now: Date): AgentStatus {
  const { object, agent, refused, unresolved } = state;
  const generation = object.metadata.generation ?? 0;
  const revision = agent === null ? "" : revisionOf(agent);
  const isLatest = refused.length === 0 && agent !== null && !unresolved.some(isPrompt);
  const there = pods.filter((pod) => revision !== "" && pod.revisions[object.metadata.name] === revision).length;
  const share = `${isLatest ? there : 0}/${pods.length}`;
  const before = conditionsOf(object.status);
  const condition = (type: Condition["type"], isTrue: boolean, reason: string, message: string): Condition => {
    const old = before.find((one) => one.type === type);
    const status = isTrue ? "True" : "False";
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`;
    return { type, status, reason, message, observedGeneration: generation, lastTransitionTime };
  };
  return {
    observedGeneration: generation,
    conditions: [
      refused.length === 0
        ? condition("Accepted", true, "Valid", "this version is good")
        : condition("Accepted", false, "Invalid", sentence(refused)),
      unresolved.length === 0
        ? condition("ReferencesResolved", true, "Resolved", "everything it names is there")
        : condition("ReferencesResolved", false, "NotFound", sentence(unresolved)),
      servingCondition(condition, {
        isLatest,
        there,
        all: pods.length,
        revision,
        elsewhere: pods.filter((pod) => pod.revisions[object.metadata.name] !== undefined).length,
        wasServed: wasServed(object.status, revision),
      }),
    ],
    model: agent?.model.name ?? model,
    serving: share,
    revision,
  };
}

function servingCondition(
  condition: (type: "Serving", isTrue: boolean, reason: string, message: string) => Condition,
  serving: { isLatest: boolean; there: number; all: number; revision: string; elsewhere: number; wasServed: boolean },
): Condition {
  const { isLatest, there, all, revision, elsewhere } = serving;
  const at = `${there}/${all} pods at revision ${revision}`;
  if (isLatest && there === all) return condition("Serving", true, "Served", at);
  if (isLatest) return condition("Serving", false, serving.wasServed ? "PodsJoining" : "Progressing", at);
  if (revision === "" && elsewhere > 0) {
    const since = "pods that have started since it is bad do not know that version";
    return condition(
      "Serving",
      false,
      "LastGood",
      `the last good version is served by ${elsewhere}/${all} pods; ${since}`,
    );
  }
  if (revision === "") return condition("Serving", false, "NotServed", "no version of it has been good yet");
  return condition("Serving", false, "LastGood", `the last good version is served: ${at}`);
}

/** Whether every pod has answered with this version already, so that those which do not are new ones. */
function wasServed(current: unknown, revision: string): boolean {
  const old = conditionsOf(current).find(({ type }) => type === "Serving");
  return (old?.status === "True" || old?.reason === "PodsJoining") && revisionOfStatus(current) === revision;
}

/** Without its prompt, a version cannot be served; without a hand-off or a voice it can. */
function isPrompt({ where }: Fault): boolean {
  return where.includes(" spec.promptFrom");
}

/** True when nothing would change but what the API server adds by itself. */
export function isSameStatus(status: AgentStatus, current: unknown): boolean {
  return JSON.stringify(sortedKeys(status)) === JSON.stringify(sortedKeys(current));
}

/** What there is to tell of the conditions: a change, and a new version once all pods answer with it. Pods that come and go are no news. */
export function transitionsOf(status: AgentStatus, current: unknown): Happening[] {
  const before = conditionsOf(current);
  const isNewVersion = revisionOfStatus(current) !== status.revision;
  return status.conditions.flatMap(({ type, status: is, reason, message }): Happening[] => {
    const old = before.find((one) => one.type === type);
    if (reason === "Progressing" || reason === "PodsJoining") return [];
    // What was well from the beginning is told once, by the last of the three.
    if (old === undefined && is === "True" && type !== "Serving") return [];
    if (toldOf(old) === is && !(type === "Serving" && is === "True" && isNewVersion)) return [];
    return is === "True"
      ? [{ type: "Normal", reason: type, message }]
      : [{ type: "Warning", reason: `Not${type}`, message }];
  });
}

/** What was last told of a condition; null where that is not known. */
function toldOf(old: Condition | undefined): Condition["status"] | null {
  if (old === undefined || old.reason === "Progressing") return null;
  return old.reason === "PodsJoining" ? "True" : old.status;
}

function revisionOfStatus(status: unknown): unknown {
  return ((status ?? {}) as { revision?: unknown }).revision;
}

function conditionsOf(status: unknown): readonly Condition[] {
  const { conditions } = (status ?? {}) as { conditions?: unknown };
  return Array.isArray(conditions) ? (conditions as Condition[]) : [];
}

function sentence(faults: readonly Fault[]): string {
  const text = faults.map(({ where, problem, remedy }) => `${fieldOf(where)}: ${problem}. ${remedy}`).join("; ");
  return text.length <= mostMessage ? text : `${text.slice(0, mostMessage - 1)}…`;
}

/** The object is known to whoever reads its status. */
function fieldOf(where: string): string {
  return where.slice(where.indexOf(" ") + 1) || "the object";
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sortedKeys(field)]),
  );
}
