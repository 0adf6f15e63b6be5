import type { KubernetesApi } from "../connections/kubernetes.ts";

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
export async function postEvent(
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
