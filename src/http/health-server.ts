import { createServer, type Server } from "node:http";
import { ForeseenError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { BreakerReport } from "../resilience/policies.ts";
import type { Targets } from "../resilience/targets.ts";
import { makeApi } from "./api.ts";
import { makeChecks } from "./checks.ts";
import { limitConnections } from "./connection-limit.ts";
import { makeProcessGauges } from "./process-gauges.ts";

/** How many ports after the wanted one are tried before any free one is taken. */
const neighbours = 20;
const lastRequestsMs = 1_000;
/** A few probes and scrapers need ten. */
const mostConnections = 100;
/** Node's limits. A probe is small and quick; whoever is not must not keep a connection. */
const limits = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
} as const;
/** Also of somebody who asks and never reads the answer. */
const silenceMs = 8_000;

export interface HealthServerOptions {
  /** Null: every address of the machine, of IPv6 too. */
  readonly host: string | null;
  /** 0: any free one. */
  readonly port: number;
  readonly whenTaken: "fail" | "next-free";
  readonly version: string;
  readonly environment: string;
  /** The parts of the role, this one included. */
  readonly components: () => readonly Component[];
  readonly lifecycle: {
    /** Every part has started and no stop was asked for. */
    isReady(): boolean;
    hasStarted(component: Component): boolean;
    /** Why it has not started yet; free of secrets. Null: it has, or nothing is known. */
    obstacleOf(component: Component): string | null;
    /** Null as long as no part has. */
    failedForGood(): string | null;
  };
  readonly breakers: () => Readonly<Record<string, BreakerReport>>;
  readonly targets: Targets;
  /** What /status and /metrics ask for as a bearer token; null: nothing. */
  readonly statusToken: string | null;
  /** Free of secrets. */
  readonly configuration: () => Readonly<Record<string, unknown>>;
  /** What else `/status` shows, each by its name and free of secrets. */
  readonly extraStatus: Readonly<Record<string, (signal: AbortSignal) => unknown>>;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/**
 * Serves /health, /health/live, /health/ready, /metrics and /status. First of a role to start and last to stop, so that
 * probes are answered during both.
 */
export interface HealthServer extends Component {
  /** Where it listens, for people; null when it does not. */
  url(): string | null;
  /** The very report of `/status`. */
  status(signal: AbortSignal): Promise<Record<string, unknown>>;
}

/** Builds the health API; `start` listens. */
export function makeHealthServer(options: HealthServerOptions): HealthServer {
  const gauges = makeProcessGauges(options.metrics);
  const checks = makeChecks(options.components, options.lifecycle);
  const { app, status } = makeApi(options, checks, gauges);
  let server: Server | null = null;
  return {
    name: "http",
    start: async () => {
      const answer = app.callback();
      server = createServer(limits, (request, response) => void answer(request, response));
      // A body that is announced is refused before it is sent.
      server.on("checkContinue", (request, response) => server?.emit("request", request, response));
      server.setTimeout(silenceMs);
      limitConnections(server, mostConnections);
      await listen(server, options);
      gauges.open();
    },
    stop: async (deadline) => {
      gauges.close();
      if (server !== null) await close(server, deadline);
      server = null;
    },
    url: () => urlOf(server, options.host),
    status,
  };
}

async function listen(server: Server, { host, port, whenTaken, log }: HealthServerOptions): Promise<void> {
  const last = Math.min(port + neighbours, 65_535);
  const others =
    whenTaken === "fail" || port === 0 ? [] : [...Array.from({ length: last - port }, (_, i) => port + 1 + i), 0];
  for (const candidate of [port, ...others]) {
    const code = await tryListen(server, host, candidate);
    if (code === null) {
      const taken = urlOf(server, host);
      if (candidate !== port)
        log.warn({ wanted: port, listening: taken }, `port ${port} is taken; the health API is at ${taken}`);
      else log.info({ listening: taken }, `the health API is at ${taken}`);
      return;
    }
    if (code !== "EADDRINUSE") {
      throw new ForeseenError("port_refused", `HEALTH_CHECK_PORT: port ${candidate} cannot be listened on (${code})`, {
        kind: "bury",
      });
    }
  }
  const remedy = "stop the other program, or set HEALTH_CHECK_PORT to a free port";
  throw new ForeseenError("port_taken", `HEALTH_CHECK_PORT: port ${port} is taken by another program; ${remedy}`, {
    kind: "bury",
  });
}

async function tryListen(server: Server, host: string | null, port: number): Promise<string | null> {
  return await new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown");
    server.once("error", failed);
    // Without a host Node takes `::`, which hears IPv4 as well, and 0.0.0.0 where there is no IPv6.
    server.listen({ host: host ?? undefined, port }, () => {
      server.off("error", failed);
      resolve(null);
    });
  });
}

/** Lets requests under way finish, for a second or until the deadline; connections that only wait are closed at once. */
async function close(server: Server, deadline: AbortSignal): Promise<void> {
  // Not until the deadline alone: a connection that never sent a request would hold the stop for all of it.
  const cut = AbortSignal.any([deadline, AbortSignal.timeout(lastRequestsMs)]);
  const cutAll = () => server.closeAllConnections();
  if (cut.aborted) cutAll();
  cut.addEventListener("abort", cutAll, { once: true });
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  cut.removeEventListener("abort", cutAll);
}

function urlOf(server: Server | null, host: string | null): string | null {
  const address = server?.address();
  if (address === null || address === undefined || typeof address === "string") return null;
  const name = host?.includes(":") ? `[${host}]` : (host ?? "localhost");
  return `http://${name}:${address.port}`;
}
