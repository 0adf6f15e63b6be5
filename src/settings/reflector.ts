import { setTimeout } from "node:timers/promises";
import { KubernetesError, type KubernetesApi } from "../connections/kubernetes.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";

/** An object of the cluster, as far as everybody may rely on it. */
export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly creationTimestamp?: string;
  };
}

/** The objects of one kind in one namespace, as of a moment ago. */
export interface Reflector<out T extends KubernetesObject> {
  readonly kind: string;
  /** By name; empty before the first list. */
  objects(): ReadonlyMap<string, T>;
  /** True once a list has been read; it stays true while the API server is away. */
  isSynced(): boolean;
  /** Why the newest request failed, for people; null when it did not. */
  trouble(): KubernetesError | null;
  /** Keeps them current until `signal` aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

interface ReflectorOptions<T extends KubernetesObject> {
  readonly api: () => KubernetesApi;
  /** As in `/apis/discord-agent.dev/v1alpha1/namespaces/x/agents`. */
  readonly path: () => string;
  /** For logs and metrics. */
  readonly kind: string;
  /** What is kept of an object; null keeps nothing of it. A throw is logged, and nothing of it is kept. */
  readonly keep: (object: unknown) => T | null;
  /** Called after every change of `objects`, `isSynced` or `trouble`. A throw is logged. */
  readonly onChange: () => void;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Waits between tries, and for a silent server, in milliseconds; tests make them shorter. */
  readonly waits?: Partial<typeof usualWaits>;
}

const pageSize = 500;
/** The server ends a watch after so long; drawn anew each time, so that a fleet does not ask all at once. */
const watchSeconds = { least: 300, most: 600 };
/** In milliseconds. The API server sends a bookmark each minute or so: a connection that is silent for much longer leads nowhere. */
const usualWaits = { least: 500, most: 30_000, silence: 150_000 };
/** A watch that ended sooner and brought nothing counts as a failure, so that a server that cuts each one is not asked without end. */
const soonMs = 1_000;

/**
 * List, then watch, for ever, as client-go's reflector: every failure is tried again with jitter, an expired version is listed anew, and what vanished
 * between two lists is noticed. (The informer of the client library ends for good on a 403, a 500 or a broken connection.)
 */
export function makeReflector<T extends KubernetesObject>(options: ReflectorOptions<T>): Reflector<T> {
  const { kind, log, metrics } = options;
  const { least, most } = { ...usualWaits, ...options.waits };
  const mirror = makeMirror(options);
  let trouble: KubernetesError | null = null;

  const changed = () => tellOf(options);
  const note = (error: KubernetesError | null) => {
    const isNew = trouble?.message !== error?.message;
    trouble = error;
    if (!isNew) return;
    if (error === null) log.info({ component: "settings", kind }, `the API server tells of ${kind}s again`);
    else log.warn({ component: "settings", kind, status: error.status, reason: error.message }, troubleOf(kind, error));
    changed();
  };
  /** One list or one watch; resolves to why it failed. */
  const tryOnce = async (operation: "list" | "watch", signal: AbortSignal): Promise<KubernetesError | null> => {
    const count = (status: string) => metrics.kubernetesRequests.inc({ kind, operation, status });
    try {
      if (operation === "watch") await mirror.watch(signal, () => note(null), changed);
      else {
        await mirror.list(signal);
        note(null);
        changed();
      }
      count("success");
      return null;
    } catch (thrown) {
      if (signal.aborted) return null;
      const error =
        thrown instanceof KubernetesError ? thrown : new KubernetesError(0, "Unreadable", asError(thrown).message);
      count(isExpired(error) ? "expired" : "error");
      if (isExpired(error)) mirror.expire();
      else note(error);
      return error;
    }
  };

  return {
    kind,
    objects: () => mirror.objects(),
    isSynced: () => mirror.isSynced(),
    trouble: () => trouble,
    run: async (signal) => {
      let tries = 0;
      while (!signal.aborted) {
        const operation = mirror.version() === null ? "list" : "watch";
        const [startedMs, from] = [performance.now(), mirror.version()];
        const error = await tryOnce(operation, signal);
        if (operation === "list" && error === null) continue;
        // A watch that held for a while, or brought something, is no reason to wait longer than last time, however it ended.
        const wasWorthIt = performance.now() - startedMs > soonMs || (mirror.version() ?? from) !== from;
        tries = wasWorthIt ? Number(error !== null) : tries + 1;
        const usual = tries === 0 ? 0 : Math.min(most, least * 2 ** (tries - 1));
        await backOff(error?.retryAfterMs ?? usual / 2, signal);
      }
    },
  };
}

function tellOf<T extends KubernetesObject>({ kind, onChange, log }: ReflectorOptions<T>): void {
  try {
    onChange();
  } catch (error) {
    log.error({ component: "settings", kind, err: asError(error) }, "a change in the cluster could not be taken over");
  }
}

/** Waits for this time at least and twice as long at most, so that a fleet does not come back all at once. */
async function backOff(leastMs: number, signal: AbortSignal): Promise<void> {
  await setTimeout(leastMs * (1 + Math.random()), undefined, { signal, ref: false }).catch(() => {});
}

/** What is known of the objects, and the version of the cluster that it is from. */
function makeMirror<T extends KubernetesObject>(options: ReflectorOptions<T>) {
  const { kind, log, metrics } = options;
  let objects = new Map<string, T>();
  let isSynced = false;
  // Moves on with each event, so that a watch that breaks half-way is gone on from there; null: to be listed.
  let version: string | null = null;
  const keep = (object: unknown): T | null => {
    try {
      return options.keep(object);
    } catch (error) {
      log.warn({ component: "settings", kind, err: asError(error) }, "an object of the cluster could not be read");
      return null;
    }
  };
  return {
    objects: () => objects,
    isSynced: () => isSynced,
    /** Of the cluster, as far as it is known; null: to be listed. */
    version: () => version,
    expire: () => {
      version = null;
    },
    list: async (signal: AbortSignal): Promise<void> => {
      const next = new Map<string, T>();
      const listed = await listAll(options, signal, (object) => {
        const kept = keep(object);
        if (kept !== null) next.set(kept.metadata.name, kept);
      });
      [objects, version, isSynced] = [next, listed, true];
    },
    /** Resolves when the server has ended the watch. */
    watch: (signal: AbortSignal, onOpen: () => void, onChange: () => void): Promise<void> =>
      follow(options, version ?? "", signal, onOpen, ({ type, object }) => {
        const { name = "", resourceVersion } = (object as Partial<KubernetesObject>).metadata ?? {};
        version = resourceVersion ?? version;
        metrics.kubernetesLastEvent.set({ kind }, Date.now() / 1_000);
        if (type === "BOOKMARK") return;
        const kept = type === "DELETED" ? null : keep(object);
        if (kept === null) objects.delete(name);
        else objects.set(name, kept);
        onChange();
      }),
  };
}

/** Reads every page, and resolves to the version of the whole. */
async function listAll<T extends KubernetesObject>(
  { api, path }: ReflectorOptions<T>,
  signal: AbortSignal,
  each: (object: unknown) => void,
): Promise<string> {
  let next = "";
  for (;;) {
    const query = { limit: String(pageSize), ...(next === "" ? {} : { continue: next }) };
    const page = (await api().ask({ method: "GET", path: path(), query }, signal)) as {
      readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
      readonly items?: readonly unknown[];
    };
    for (const item of page.items ?? []) each(item);
    next = page.metadata?.continue ?? "";
    if (next === "") return page.metadata?.resourceVersion ?? "";
  }
}

interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** One watch; resolves when the server ends it, and rejects with what it was ended with. */
async function follow<T extends KubernetesObject>(
  { api, path, waits }: ReflectorOptions<T>,
  from: string,
  signal: AbortSignal,
  onOpen: () => void,
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const { least, most } = watchSeconds;
  const query = {
    watch: "true",
    allowWatchBookmarks: "true",
    resourceVersion: from,
    timeoutSeconds: String(Math.round(least + Math.random() * (most - least))),
  };
  let ended: KubernetesError | null = null;
  const onLine = (line: string) => {
    if (line === "" || ended !== null) return;
    const event = JSON.parse(line) as WatchEvent;
    if (event.type !== "ERROR") return onEvent(event);
    const {
      code = 0,
      reason = "",
      message = "",
    } = event.object as { code?: number; reason?: string; message?: string };
    ended = new KubernetesError(code, reason, message);
  };
  const silenceMs = waits?.silence ?? usualWaits.silence;
  await api().follow({ method: "GET", path: path(), query }, { silenceMs, onOpen, onLine }, signal);
  if (ended !== null) throw ended;
}

/** The API server no longer knows the version that was named. */
function isExpired({ status, reason }: KubernetesError): boolean {
  return status === 410 || reason === "Expired" || reason === "Gone";
}

/** What an operator should do about a request that failed. */
export function troubleOf(kind: string, { status, message }: KubernetesError): string {
  if (status === 403) return `the Role of this pod's ServiceAccount must allow list and watch of ${kind}s: ${message}`;
  if (status === 401)
    return "the API server does not know this pod's ServiceAccount: see that its token is mounted and valid";
  if (status === 404 && kind === "agent")
    return "the cluster does not know the kind Agent: kubectl apply -f k8s/crds (or crds.install=true of the chart)";
  return `${kind}s of the cluster cannot be read; trying again: ${message}`;
}
