import type { IncomingMessage, ServerResponse } from "node:http";
import { botOf } from "../gateway/identify.ts";
import { count } from "../report.ts";
import type { RestFault, Script } from "../script.ts";
import { ApiError, refusals } from "./api-error.ts";
import { needBot, readBody, type Desk, type RawRequest } from "./call.ts";
import type { RateLimits } from "./rate-limits.ts";
import { findRoute } from "./routes.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: no content type either. */
  readonly body?: unknown;
}

export interface RestParts extends Desk {
  readonly script: Script;
  readonly rateLimits: RateLimits;
}

/** Answers one request to the API, or does with it what a scripted fault says. */
export async function answerRest(parts: RestParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { script, report, state } = parts;
  const url = new URL(request.url ?? "/", "http://simulator");
  const path = url.pathname.replace(/^(?:\/api)?\/v\d+/u, "");
  const method = request.method ?? "GET";
  const read = await readBody(request).catch((error: unknown) => error as ApiError);
  const raw = read instanceof Error ? "" : read.raw;
  const token = /^Bot (\S+)$/u.exec(request.headers.authorization ?? "")?.[1] ?? null;
  const bot = token === null ? null : botOf(state, token);
  const route = findRoute(method, path);
  count(report.restRequests, `${method} ${route?.path ?? "unknown"}`);
  const fault = script.rest({ method, path, body: raw, bot: bot?.id ?? null });
  if (fault !== null && !acts(fault)) return fail(parts, fault, response);
  const go = () => act(parts, { method, path, url, token, host: request.headers.host ?? "" }, read);
  if (fault === null) return write(parts, response, go());
  // What was held back is done also when nobody waits for it any more.
  if (fault.fault === "delay") return later(script, fault, () => write(parts, response, go()));
  const answer = go();
  if (fault.fault === "act-then-drop") return void response.destroy();
  if (fault.fault === "act-then-hang") return undefined;
  return later(script, fault, () => write(parts, response, answer));
}

interface Arrived {
  readonly method: string;
  readonly path: string;
  readonly url: URL;
  readonly token: string | null;
  readonly host: string;
}

function act(parts: RestParts, arrived: Arrived, read: RawRequest | Error): Answer {
  const { rateLimits, state, report } = parts;
  const { method, path, url, token, host } = arrived;
  if (rateLimits.banned())
    return {
      status: 429,
      headers: { "content-type": "text/html", "retry-after": "600" },
      body: "<h1>Error 1015</h1>You are being rate limited",
    };
  const route = findRoute(method, path);
  const caller = token === null ? null : botOf(state, token);
  let headers: Readonly<Record<string, string>> = {};
  try {
    if (route === null) throw refusals.noRoute();
    if (caller === null && route.open !== true) {
      if (token !== null && [...state.bots.values()].some(({ tokens }) => tokens.includes(token)))
        report.requestsAfterUnauthorized += 1;
      throw refusals.unauthorized();
    }
    const kind = route.path === "/channels/:channel/messages" && method === "POST" ? "messages" : "other";
    const turn = rateLimits.take(token ?? "", `${method} ${route.path} ${route.major}`, kind, route.open !== true);
    headers = turn.headers;
    if (turn.refused !== null) return limited(turn.refused, headers);
    if (read instanceof Error) throw read;
    const call = {
      ...parts,
      at: route.at,
      query: url.searchParams,
      body: read.body,
      files: read.files,
      caller,
      host,
      get bot() {
        return needBot(caller);
      },
    };
    const reply = route.answer(call);
    if (reply === undefined) return { status: 204, headers };
    return { status: reply.status ?? 200, headers, body: reply.body };
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, headers, body: error.body };
    throw error;
  }
}

function acts({ fault }: RestFault): boolean {
  return fault.startsWith("act-then-") || fault === "delay";
}

function fail(parts: RestParts, fault: RestFault, response: ServerResponse): void {
  const { status, code = 0, message = "Simulated failure.", scope = "user", retryAfterSeconds = 1 } = fault;
  if (fault.fault === "drop") return void response.destroy();
  if (fault.fault === "hang") return;
  if (fault.fault === "html") {
    const body = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>";
    return write(parts, response, { status: status ?? 502, headers: { "content-type": "text/html" }, body });
  }
  if (fault.fault === "429") return write(parts, response, limited({ scope, retryAfterSeconds }, {}));
  const usual = fault.fault === "error" ? 403 : 503;
  return write(parts, response, { status: status ?? usual, headers: {}, body: { message, code } });
}

function limited(
  refused: { readonly scope: "user" | "global" | "shared"; readonly retryAfterSeconds: number },
  headers: Readonly<Record<string, string>>,
): Answer {
  const { scope, retryAfterSeconds } = refused;
  const global = scope === "global";
  return {
    status: 429,
    headers: {
      ...headers,
      "retry-after": String(Math.ceil(retryAfterSeconds)),
      "x-ratelimit-scope": scope,
      ...(global ? { "x-ratelimit-global": "true" } : {}),
    },
    body: { message: "You are being rate limited.", retry_after: retryAfterSeconds, global },
  };
}

function later(script: Script, { delayMs = 0 }: RestFault, go: () => void): void {
  if (delayMs === null) return script.hold(go);
  setTimeout(go, delayMs).unref();
}

function write({ rateLimits, report, state }: RestParts, response: ServerResponse, answer: Answer): void {
  const { status, headers, body } = answer;
  count(report.restStatuses, status);
  rateLimits.invalid(status, headers["x-ratelimit-scope"] === "shared");
  if (response.destroyed) return;
  response.setHeader("date", new Date(state.now()).toUTCString());
  if (body === undefined) return void response.writeHead(status, headers).end();
  const isText = headers["content-type"] !== undefined;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(isText && typeof body === "string" ? body : JSON.stringify(body));
}
