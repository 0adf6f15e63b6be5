import { DiscordAPIError, HTTPError, RateLimitError, REST, RESTEvents, type RawFile } from "discord.js";
import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { BreakerOpen, makeRetry, type Breaker } from "../resilience/policies.ts";
import { DiscordRefused, discordUnavailable, isDiscordFailure } from "./failures.ts";

/** One request to Discord's REST API. */
interface DiscordRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Such as `/channels/1/messages`. */
  readonly path: `/${string}`;
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string>>;
  readonly files?: readonly { readonly name: string; readonly text: string }[];
  /** False where the path itself is the credential: webhooks and interactions. */
  readonly auth?: false;
  /** True when doing it twice is doing it once (a nonce, a GET, a PATCH): a lost reply is then asked for again. */
  readonly repeatable: boolean;
}

/** One token's way to Discord. */
export interface DiscordRest {
  /**
   * Resolves to the reply. Throws ForeseenError: `discord_refused` (Discord says no, for good; `reason` is its number), `discord_unauthorized`
   * (the token), `discord_busy` (a limit; try again after that time), `discord_unavailable` (no answer, also none before the signal's own deadline);
   * the reason of a signal that somebody aborted.
   */
  call<T>(request: DiscordRequest, signal: AbortSignal): Promise<T>;
  /** Why nothing is sent any more; null while all is well. */
  stopped(): string | null;
  /** What Discord's clock says, by which messages are dated, in milliseconds since 1970 and exact to about a second; before it has replied, what ours says. */
  now(): number;
}

/** Discord's limit for one bot, on all its routes but interactions and webhooks. */
const requestsPerSecond = 50;
/** A wait for a limit that is longer than this ends the call; the turn is put back instead. */
const longestWaitMs = 5_000;
const requestTimeoutMs = 15_000;
/** Of a limit without a time. */
const unknownWaitMs = 10_000;
/** Discord bans an address for 10,000 requests with 401, 403 or 429 in ten minutes; long before that, all processes together stop by themselves. */
const invalidWindowMs = 600_000;
const mostInvalid = 5_000;
/** What waits for a new token is kept. */
const tokenRetry = { kind: "retry", afterMs: 60_000 } as const;

interface DiscordRestOptions {
  readonly name: string;
  readonly token: string;
  readonly api: string;
  /** How many processes speak with this token: Discord counts them together. */
  readonly processes: () => number;
  /** Of Discord's API, for all tokens. */
  readonly breaker: Breaker;
  /** One for all tokens of this process: Discord bans its address, which it may share with the others. */
  readonly refusals: RefusalCounter;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** The REST API at `api`, as the bot with this token. `name` stands in logs, where the token never does. */
export function makeDiscordRest(options: DiscordRestOptions): DiscordRest {
  const rest = new REST({
    api: options.api,
    version: "10",
    retries: 0,
    timeout: requestTimeoutMs,
    // Without a time to wait (Cloudflare names none) the library would ask again at once, and for ever.
    rejectOnRateLimit: ({ timeToReset, retryAfter, sublimitTimeout }) =>
      retryAfter <= 0 || Math.max(timeToReset, retryAfter, sublimitTimeout) > longestWaitMs || stopped() !== null,
  }).setToken(options.token);
  let read: { readonly discordMs: number; readonly at: number } | null = null;
  rest.on(RESTEvents.Response, (_request, { status, headers }) => {
    if (status === 401 || status === 403 || status === 429) options.refusals.count();
    const at = Date.parse(headers.get("date") ?? "");
    if (!Number.isNaN(at)) read = { discordMs: at, at: performance.now() };
  });
  let refused: string | null = null;
  const stopped = () => refused ?? options.refusals.stopped();

  const once = async <T>(request: DiscordRequest, signal: AbortSignal): Promise<T> => {
    signal.throwIfAborted();
    const reason = stopped();
    rest.options.globalRequestsPerSecond = Math.max(1, Math.floor(requestsPerSecond / options.processes()));
    if (reason !== null) throw new ForeseenError("discord_unauthorized", reason, tokenRetry);
    try {
      const result = await rest.request({
        method: request.method as never,
        fullRoute: request.path,
        body: request.body,
        ...(request.query === undefined ? {} : { query: new URLSearchParams(request.query) }),
        ...(request.files === undefined ? {} : { files: request.files.map(toRawFile) }),
        auth: request.auth ?? true,
        signal,
      });
      options.metrics.discordCalls.inc({ method: request.method, status: "success" });
      return result as T;
    } catch (error) {
      const known = translate(error, request);
      options.metrics.discordCalls.inc({ method: request.method, status: known.code });
      if (known.code === "discord_unauthorized") {
        refused = `Discord does not accept the token of ${options.name}: set a new one and start again`;
        options.log.error({ component: "discord" }, refused);
        throw new ForeseenError(known.code, refused, tokenRetry);
      }
      // Who hung up says nothing about Discord.
      signal.throwIfAborted();
      throw known;
    }
  };
  const guarded = <T>(request: DiscordRequest, signal: AbortSignal) =>
    behind(options.breaker, () => once<T>(request, signal), signal);
  const again = makeRetry({ retries: 3, initialMs: 250, maxMs: 4_000, when: isDiscordFailure });
  return {
    call: (request, signal) =>
      unlessLate(request.repeatable ? again(() => guarded(request, signal), signal) : guarded(request, signal)),
    stopped,
    now: () => (read === null ? Date.now() : read.discordMs + performance.now() - read.at),
  };
}

async function behind<T>(breaker: Breaker, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await breaker.execute(work, signal);
  } catch (error) {
    // To whoever asks, a Discord that is left alone does not answer.
    if (error instanceof BreakerOpen) throw new ForeseenError("discord_unavailable", error.message, error.disposition);
    throw error;
  }
}

function toRawFile({ name, text }: { name: string; text: string }): RawFile {
  return { name, data: Buffer.from(text), contentType: "text/markdown; charset=utf-8" };
}

/** The errors of the library quote URLs, which may hold tokens, and bodies, which hold what people wrote: none is kept as a cause. */
function translate(error: unknown, { auth }: DiscordRequest): ForeseenError {
  if (error instanceof RateLimitError) {
    const { timeToReset, retryAfter, sublimitTimeout } = error;
    const afterMs = retryAfter <= 0 ? unknownWaitMs : Math.max(timeToReset, retryAfter, sublimitTimeout);
    return new ForeseenError("discord_busy", `Discord's ${error.scope} limit`, { kind: "retry", afterMs });
  }
  if (error instanceof DiscordAPIError) {
    const reason = typeof error.code === "number" ? error.code : 0;
    // Where the path is the credential, 401 says that its time is over, and nothing of the token.
    if (error.status === 401 && auth !== false)
      return new ForeseenError("discord_unauthorized", "Discord does not accept the token", tokenRetry);
    return new DiscordRefused(reason, `Discord refused with HTTP ${error.status}, code ${reason}`);
  }
  const what =
    error instanceof HTTPError ? `HTTP ${error.status}` : ((error as { code?: string }).code ?? asError(error).name);
  return discordUnavailable(what);
}

/** A deadline that is over is Discord's doing; whoever hung up for another reason is told that reason. */
async function unlessLate<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof Error && error.name === "TimeoutError" ? discordUnavailable("the deadline") : error;
  }
}

/** Counts what Discord refused: with 401, 403 or 429. */
export interface RefusalCounter {
  count(): void;
  /** Why nothing is to be sent any more; null while few were refused. */
  stopped(): string | null;
}

/** Counts refusals in a sliding window of ten minutes, in slots of ten seconds; each of `processes` may have its share of what an address may have. */
export function makeRefusalCounter(processes: () => number): RefusalCounter {
  const slotMs = 10_000;
  const slots = new Map<number, number>();
  const sum = () => {
    const oldest = Math.floor((performance.now() - invalidWindowMs) / slotMs);
    for (const slot of slots.keys()) if (slot < oldest) slots.delete(slot);
    return slots.values().reduce((total, n) => total + n, 0);
  };
  return {
    count: () => {
      const slot = Math.floor(performance.now() / slotMs);
      slots.set(slot, (slots.get(slot) ?? 0) + 1);
    },
    stopped: () =>
      sum() >= mostInvalid / processes()
        ? "Discord has refused too many requests in ten minutes; nothing is sent until that has passed"
        : null,
  };
}
