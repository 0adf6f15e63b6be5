import { KubernetesError, type KubernetesApi } from "../connections/kubernetes.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** Events live for an hour; of a cluster that takes none for long the newest are worth telling. */
const mostUntold = 1_000;

/** What an event is about. */
interface Subject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid?: string;
}

/** What happened, as `kubectl describe` and `kubectl get events` show it; `reason` is one word in CamelCase. */
export interface Happening {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Tells of it in the namespace of this process. */
async function postEvent(
  api: KubernetesApi,
  subject: Subject,
  { type, reason, message }: Happening,
  signal: AbortSignal,
): Promise<void> {
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  const component = "discord-agent";
  await api.ask(
    {
      method: "POST",
      path: `/api/v1/namespaces/${api.namespace}/events`,
      body: {
        apiVersion: "v1",
        kind: "Event",
        metadata: { generateName: `${subject.name}.`, namespace: api.namespace },
        involvedObject: { ...subject, namespace: api.namespace },
        type,
        reason,
        message,
        source: { component },
        reportingComponent: component,
        count: 1,
        firstTimestamp: at,
        lastTimestamp: at,
      },
    },
    signal,
  );
}

/** What is still to be told, the oldest first. */
export function makeUntold({ api, log }: { api: () => KubernetesApi; log: Logger }) {
  const untold: { readonly subject: Subject; readonly happening: Happening }[] = [];
  let trouble: string | null = null;
  return {
    add: (subject: Subject, happenings: readonly Happening[]): void => {
      untold.push(...happenings.map((happening) => ({ subject, happening })));
      untold.splice(0, Math.max(0, untold.length - mostUntold));
    },
    /** Tells all of it, and resolves to whether something is left for another time. Never rejects. */
    tell: async (signal: AbortSignal): Promise<boolean> => {
      for (let [first] = untold; first !== undefined; [first] = untold) {
        try {
          await postEvent(api(), first.subject, first.happening, signal);
          trouble = null;
        } catch (error) {
          if (signal.aborted) return false;
          const { message: reason } = asError(error);
          if (reason !== trouble)
            log.warn({ component: "events", about: first.subject.name, reason }, "an event could not be written");
          trouble = reason;
          if (!isRefused(error)) return true;
        }
        untold.shift();
      }
      return false;
    },
  };
}

/** For what the event itself is like: it will not be taken later either. */
function isRefused(error: unknown): boolean {
  return error instanceof KubernetesError && [400, 413, 422].includes(error.status);
}
