import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { createInterface } from "node:readline";
import type { KubeConfig } from "@kubernetes/client-node";
import { ForeseenError, Misconfigured } from "../errors.ts";

/** What the API server answered instead of what was asked for; `status` is that of HTTP, 0 when it could not be asked. */
export class KubernetesError extends ForeseenError {
  override readonly name = "KubernetesError";

  readonly status: number;
  /** The API server's word, such as Forbidden or Expired. */
  readonly reason: string;
  /** Null: it did not say. */
  readonly retryAfterMs: number | null;

  constructor(status: number, reason: string, message: string, retryAfterMs: number | null = null) {
    super("kubernetes", message, { kind: "retry", afterMs: retryAfterMs ?? 1_000 });
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** One request; `body` is sent as JSON. */
interface KubernetesRequest {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** Who listens to a long answer. */
interface Follower {
  readonly silenceMs: number;
  /** The server has agreed. */
  readonly onOpen: () => void;
  readonly onLine: (line: string) => void;
}

/** The API server of a cluster, over a few connections that are kept open. Every failure is a KubernetesError. */
export interface KubernetesApi {
  /** The namespace of this process. */
  readonly namespace: string;
  /** Resolves to the body of an answer that is a success. */
  ask(request: KubernetesRequest, signal: AbortSignal): Promise<unknown>;
  /**
   * Passes on each line of an answer as it comes, and resolves when the server ends it. Rejects, and the connection is cut, when nothing comes for
   * `silenceMs`, be it before the answer begins or within it.
   */
  follow(request: KubernetesRequest, listener: Follower, signal: AbortSignal): Promise<void>;
  close(): void;
}

const serviceAccountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const answerMs = 30_000;
const maxBytes = 64 * 1_048_576;

/** Finds the cluster as kubectl does: the ServiceAccount of the pod, or KUBECONFIG. Throws Misconfigured where there is neither. */
export async function openKubernetes(options: { namespace: string | null }): Promise<KubernetesApi> {
  // It costs half a second and 70 MB, bundled 0.1 s and 28: only who runs in a cluster pays.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  const server = loadConfig(config);
  const namespace = options.namespace ?? (await ownNamespace(config));
  const agents = makeAgents();
  const open = async (request: KubernetesRequest, signal: AbortSignal): Promise<IncomingMessage> => {
    const response = await send(config, server, request, agents, signal);
    if ((response.statusCode ?? 0) < 300) return response;
    throw asKubernetesError(response, await textOf(response));
  };
  return {
    namespace,
    ask: async (request, signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
      const response = await open(request, limited);
      return JSON.parse(await textOf(response)) as unknown;
    },
    follow: async (request, { silenceMs, onOpen, onLine }, signal) => {
      const silence = new AbortController();
      const silent = new KubernetesError(0, "Silent", `the API server has said nothing for ${silenceMs / 1_000} s`);
      let response: IncomingMessage | null = null;
      // A destroyed answer without an error would leave its reader waiting for ever.
      const timer = setTimeout(() => (response === null ? silence.abort() : response.destroy(silent)), silenceMs);
      try {
        response = await open(request, AbortSignal.any([signal, silence.signal]));
        onOpen();
        const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY });
        response.on("data", () => timer.refresh());
        for await (const line of lines) onLine(line);
      } catch (error) {
        if (signal.aborted || error instanceof KubernetesError) throw error;
        throw silence.signal.aborted ? silent : unreachable(error);
      } finally {
        clearTimeout(timer);
        response?.destroy();
      }
    },
    close: () => agents.close(),
  };
}

function loadConfig(config: KubeConfig): URL {
  try {
    config.loadFromDefault();
    const server = config.getCurrentCluster()?.server;
    // Without any configuration the library takes http://localhost:8080, where nobody listens.
    if (server !== undefined && server !== "http://localhost:8080") return new URL(server);
  } catch {
    // A kubeconfig that cannot be read: its path and its content are for its owner's eyes.
  }
  throw new Misconfigured([
    {
      where: "AGENTS_FROM",
      problem:
        "it is kubernetes, and there is no cluster: neither a ServiceAccount in this pod nor a kubeconfig that can be read",
      remedy: "Set KUBECONFIG, mount the token of a ServiceAccount, or unset AGENTS_FROM",
    },
  ]);
}

async function ownNamespace(config: KubeConfig): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const mounted = await readFile(serviceAccountNamespace, "utf8").catch(() => "");
  return mounted.trim() || config.getContextObject(config.getCurrentContext())?.namespace || "default";
}

/** One pool per identity: the library's own agent opens a connection for each request. */
function makeAgents() {
  const pools = new Map<string, Agent>();
  return {
    for: ({ ca, cert, key, rejectUnauthorized, servername }: RequestOptions): Agent => {
      const tls = { ca, cert, key, rejectUnauthorized, servername };
      const id = JSON.stringify(tls);
      const pool = pools.get(id) ?? new Agent({ ...tls, keepAlive: true, maxSockets: 8, maxFreeSockets: 2 });
      pools.set(id, pool);
      return pool;
    },
    close: () => {
      for (const pool of pools.values()) pool.destroy();
    },
  };
}

async function send(
  config: KubeConfig,
  server: URL,
  { method, path, query = {}, body, contentType = "application/json" }: KubernetesRequest,
  agents: ReturnType<typeof makeAgents>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(`${server.pathname.replace(/\/$/, "")}${path}?${new URLSearchParams(query).toString()}`, server);
  const auth: RequestOptions = {};
  await config.applyToHTTPSOptions(auth);
  const { agent: libraryAgent, headers, ...tls } = auth;
  const isProxied = config.getCurrentCluster()?.proxyUrl !== undefined;
  const text = body === undefined ? null : JSON.stringify(body);
  const options: RequestOptions = {
    ...tls,
    method,
    signal,
    headers: {
      ...headers,
      accept: "application/json",
      "user-agent": "discord-agent",
      ...(text === null ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(text) }),
    },
  };
  const agent = isProxied ? libraryAgent : url.protocol === "https:" ? agents.for(tls) : undefined;
  if (agent !== undefined) options.agent = agent;
  return await new Promise((resolve, reject) => {
    const outgoing = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options, resolve);
    outgoing.once("error", (error) =>
      reject(signal.aborted && error.name === "AbortError" ? error : unreachable(error)),
    );
    outgoing.end(text);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      if (bytes > maxBytes) throw new Error("the answer is larger than 64 MB");
    }
  } catch (error) {
    throw unreachable(error);
  }
  return Buffer.concat(parts).toString("utf8");
}

function unreachable(error: unknown): KubernetesError {
  const { code } = error as { code?: string };
  return new KubernetesError(0, "Unreachable", `the API server cannot be asked (${code ?? "the connection was cut"})`);
}

function asKubernetesError({ statusCode = 0, headers }: IncomingMessage, text: string): KubernetesError {
  const seconds = Number(headers["retry-after"]);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1_000 : null;
  try {
    const { reason = "", message = "" } = JSON.parse(text) as { reason?: string; message?: string };
    return new KubernetesError(statusCode, reason, message.slice(0, 500), retryAfterMs);
  } catch {
    return new KubernetesError(statusCode, "", `the API server answered ${statusCode}`, retryAfterMs);
  }
}
