import Koa, { type Context } from "koa";
import { asError } from "../errors.ts";
import { makeBearerCheck } from "./bearer.ts";
import type { HealthReport } from "./checks.ts";
import type { HealthServerOptions } from "./health-server.ts";
import { asOpenMetrics, type ProcessGauges } from "./process-gauges.ts";

const extraTimeoutMs = 2_000;
const sentences: Readonly<Record<number, string>> = {
  401: "this wants the bearer token of STATUS_TOKEN",
  404: "there is nothing at this path",
  405: "only GET and HEAD are served here",
  413: "requests here have no body",
  500: "this request met a bug; the log has the details",
};

/** Nothing here is for browsers: no page may frame it, and nothing in an answer is ever run. */
const headers = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};
/** What probes do not need. */
const guarded = new Set(["/metrics", "/status"]);

type Endpoint = (context: Context) => Promise<void>;

/** The endpoints and the answers to everything else. Errors are `{error, status_code, timestamp}` and tell nothing inner. */
export function makeApi(
  options: HealthServerOptions,
  checks: () => Promise<HealthReport>,
  gauges: ProcessGauges,
): { app: Koa; status: (signal: AbortSignal) => Promise<Record<string, unknown>> } {
  const status = makeStatus(options, checks, gauges);
  const endpoints = makeEndpoints(options, checks, gauges, status);
  const mayRead = makeBearerCheck(options.statusToken);
  const app = new Koa();
  app.use(async (context) => {
    context.set(headers);
    const path = context.path.replace(/(?<=.)\/$/, "");
    const endpoint = endpoints.get(path);
    if (endpoint === undefined) return refuse(context, 404);
    if (!["GET", "HEAD"].includes(context.method)) {
      context.set("Allow", "GET, HEAD");
      return refuse(context, 405);
    }
    if (Number(context.get("Content-Length")) > 0 || context.get("Transfer-Encoding") !== "")
      return refuse(context, 413);
    if (guarded.has(path) && !mayRead(context.get("Authorization"))) {
      context.set("WWW-Authenticate", 'Bearer realm="discord-agent"');
      return refuse(context, 401);
    }
    try {
      await endpoint(context);
    } catch (error) {
      options.log.error({ err: asError(error), path: context.path }, "an endpoint of the health API failed");
      refuse(context, 500);
    }
  });
  // What reaches this is a connection that went away under an answer.
  app.on("error", (error: Error) => options.log.debug({ err: error }, "a request to the health API was cut off"));
  return { app, status };
}

function refuse(context: Context, code: number): void {
  context.status = code;
  // A body that nobody reads must not be followed by another request on the same connection.
  context.set("Connection", "close");
  context.body = { error: sentences[code], status_code: code, timestamp: now() };
}

function makeEndpoints(
  { version, lifecycle, metrics, targets }: HealthServerOptions,
  checks: () => Promise<HealthReport>,
  gauges: ProcessGauges,
  status: (signal: AbortSignal) => Promise<Record<string, unknown>>,
): ReadonlyMap<string, Endpoint> {
  const health: Endpoint = async (context) => {
    const report = await checks();
    context.status = report.status === "unhealthy" ? 503 : 200;
    context.body = { status: report.status, timestamp: now(), version, components: report.components };
  };
  const live: Endpoint = async (context) => {
    const lost = lifecycle.failedForGood();
    context.status = lost === null ? 200 : 503;
    context.body = { status: lost === null ? "alive" : "failed", timestamp: now(), uptime_seconds: uptimeSeconds() };
  };
  const ready: Endpoint = async (context) => {
    const report = await checks();
    const components = Object.entries(report.components).map(
      ([name, one]) => [name, one.status !== "unhealthy"] as const,
    );
    // Asked after the checks: whoever began to stop meanwhile is not ready.
    const isReady = lifecycle.isReady() && components.every(([, good]) => good);
    context.status = isReady ? 200 : 503;
    context.body = { ready: isReady, components: Object.fromEntries(components), timestamp: now() };
  };
  const scrape: Endpoint = async (context) => {
    gauges.refresh();
    targets.report();
    for (const [component, { status: is }] of Object.entries((await checks()).components))
      metrics.componentUp.set({ component }, is === "unhealthy" ? 0 : 1);
    const text = await metrics.registry.metrics();
    const wantsOpen = prefersOpenMetrics(context.get("Accept"));
    context.vary("Accept");
    context.type = wantsOpen
      ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
      : metrics.registry.contentType;
    context.body = wantsOpen ? asOpenMetrics(text) : text;
  };
  return new Map([
    ["/health", health],
    ["/health/live", live],
    ["/health/ready", ready],
    ["/metrics", scrape],
    ["/status", async (context) => void (context.body = await status(AbortSignal.timeout(extraTimeoutMs)))],
  ]);
}

function makeStatus(
  options: HealthServerOptions,
  checks: () => Promise<HealthReport>,
  gauges: ProcessGauges,
): (signal: AbortSignal) => Promise<Record<string, unknown>> {
  return async (signal) => {
    const [{ status: overall_health, components }, extra] = await Promise.all([checks(), extraOf(options, signal)]);
    return {
      timestamp: now(),
      overall_health,
      impaired: Object.fromEntries(Object.entries(components).filter(([, { status }]) => status !== "healthy")),
      circuit_breakers: options.breakers(),
      thresholds: options.targets.report(),
      system: {
        environment: options.environment,
        version: options.version,
        uptime_seconds: uptimeSeconds(),
        memory_usage: gauges.memory(),
        configuration: options.configuration(),
      },
      ...extra,
    };
  };
}

/** Not by koa's negotiation: scrapers add parameters (version, escaping) that it takes for another type. */
function prefersOpenMetrics(accept: string): boolean {
  const quality = (type: string) => {
    const ranges = accept
      .toLowerCase()
      .split(",")
      .filter((range) => range.trim().startsWith(type));
    return Math.max(0, ...ranges.map((range) => Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1)));
  };
  const wanted = quality("application/openmetrics-text");
  return wanted > 0 && wanted >= quality("text/plain");
}

/** What cannot be reported is null and stands in `incomplete`: it must not take the rest with it. */
async function extraOf(
  { extraStatus, log }: HealthServerOptions,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("it was not reported in time")), extraTimeoutMs);
  const incomplete: string[] = [];
  const read = async ([name, report]: [string, (signal: AbortSignal) => unknown]): Promise<[string, unknown]> => {
    try {
      const reported = (async () => report(signal))();
      return [name, await Promise.race([reported, late.promise])];
    } catch (error) {
      log.warn({ err: asError(error), part: name }, "the status is incomplete");
      incomplete.push(name);
      return [name, null];
    }
  };
  const entries = await Promise.all(Object.entries(extraStatus).map(read));
  clearTimeout(timer);
  return { ...Object.fromEntries(entries), ...(incomplete.length > 0 && { incomplete }) };
}

function now(): string {
  return new Date().toISOString();
}

function uptimeSeconds(): number {
  return Math.round(process.uptime() * 10) / 10;
}
