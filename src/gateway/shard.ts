import { WebSocketManager, WebSocketShardEvents, type SessionInfo } from "@discordjs/ws";
import { GatewayDispatchEvents, type GatewayDispatchPayload, type REST } from "discord.js";
import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Lease } from "./leases.ts";
import { untilAborted } from "../resilience/policies.ts";
import { pause } from "./identify.ts";

/** One event as it came over the wire, with the session it belongs to. */
export interface Dispatch {
  readonly sessionId: string;
  readonly resumeUrl: string;
  readonly sequence: number;
  readonly type: string;
  readonly data: unknown;
  readonly at: number;
}

/** The connection of one shard. */
export interface Shard {
  /** `ready`: events come in. */
  state(): "connecting" | "ready" | "closed";
  /** Milliseconds since Discord last acknowledged a heartbeat or began a session; null before. */
  silentForMs(): number | null;
  /** Hangs up so that any process can resume the session; nothing is dispatched any more. */
  handOver(): Promise<void>;
  /** Hangs up for a while; `resume` connects again and asks for everything after `watermark`. */
  suspend(): { resume: (watermark: number) => void };
}

export interface ShardOptions {
  readonly lease: Lease;
  readonly token: string;
  readonly intents: number;
  /** Where new sessions begin, as Discord says. */
  readonly gatewayUrl: string;
  /** Waits until this shard may IDENTIFY. */
  readonly mayIdentify: (signal: AbortSignal) => Promise<void>;
  readonly onDispatch: (dispatch: Dispatch) => void;
  readonly onFatal: (error: ForeseenError) => void;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** From HELLO to the session, and for each step before; 15 s unless told otherwise. */
  readonly deadlineMs?: number;
}

/** Close codes after which no connection will ever work, and what to tell the operator. */
const fatalCodes: Readonly<Record<number, string>> = {
  4004: "Discord does not accept DISCORD_TOKEN: it was reset or is not a bot's; set the current one from the developer portal",
  4010: "Discord refuses the shard: DISCORD_SHARDS does not fit",
  4011: "Discord demands more shards: set DISCORD_SHARDS to auto",
  4012: "Discord no longer speaks this version of its gateway: update the bot",
  4013: "Discord refuses the intents as invalid: update the bot",
  4014: "Discord refuses an intent: switch on the Message Content intent on the bot's page in the developer portal",
};
/** Close codes that end a session: sequence out of range, timed out, not authenticated. */
const endsSession = new Set([4003, 4007, 4009]);
const firstBackoffMs = 1_000;
const longestBackoffMs = 60_000;

/** Opens the connection of a shard, and keeps opening it until `handOver`. Resumes the lease's session where there is one. */
export function openShard(options: ShardOptions): Shard {
  return new LiveShard(options);
}

/**
 * connecting → open (HELLO) → ready → closed → connecting …
 * @discordjs/ws connects anew by itself, twice a second and for ever; it asks for the session before each connection, and waits for the answer: this
 * is where the back-off is. A client that we hang up is never answered again, and another takes its place.
 */
class LiveShard implements Shard {
  readonly #options: ShardOptions;
  readonly #over = new AbortController();
  #manager: WebSocketManager | null = null;
  #phase: "closed" | "connecting" | "open" | "ready" = "closed";
  #session: SessionInfo | null;
  #lastClose = 0;
  #failures = 0;
  #lastSequence: number;
  #heardAt: number | null = null;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: ShardOptions) {
    this.#options = options;
    const { lease } = options;
    this.#session = lease.session && {
      sessionId: lease.session.id,
      resumeURL: lease.session.resumeUrl,
      sequence: lease.session.watermark,
      shardId: lease.shard,
      shardCount: lease.shardCount,
    };
    this.#lastSequence = lease.session?.watermark ?? 0;
    this.#connect();
  }

  state(): "connecting" | "ready" | "closed" {
    if (this.#over.signal.aborted) return "closed";
    return this.#phase === "ready" ? "ready" : "connecting";
  }

  silentForMs(): number | null {
    return this.#heardAt === null ? null : Date.now() - this.#heardAt;
  }

  async handOver(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    await this.#hangUp();
  }

  suspend(): { resume: (watermark: number) => void } {
    void this.#hangUp();
    return {
      resume: (watermark) => {
        if (this.#over.signal.aborted) return;
        if (this.#session !== null) this.#session = { ...this.#session, sequence: watermark };
        this.#lastSequence = watermark;
        this.#connect();
      },
    };
  }

  #connect(): void {
    const manager = this.#makeManager();
    this.#manager = manager;
    this.#phase = "closed";
    this.#listen(manager);
    void manager.connect().catch((error: unknown) => this.#fail(asError(error)));
  }

  /** 4200 leaves the session resumable, where 1000 and 1001 would end it. Whatever the client still does is void. */
  async #hangUp(): Promise<void> {
    clearTimeout(this.#deadline);
    const manager = this.#manager;
    this.#manager = null;
    this.#phase = "closed";
    const closing = Promise.resolve(manager?.destroy({ code: 4200, reason: "handing over" }));
    const late = new Promise<void>((resolve) => setTimeout(resolve, 2_000).unref());
    // With a peer that is gone the library waits for the end of a closing handshake that never comes.
    await Promise.race([closing.catch(() => {}), late]);
  }

  #makeManager(): WebSocketManager {
    const { lease, token, intents, gatewayUrl } = this.#options;
    const manager: WebSocketManager = new WebSocketManager({
      token,
      intents,
      rest: {} as REST,
      shardCount: lease.shardCount,
      shardIds: [lease.shard],
      handshakeTimeout: this.#deadlineMs(),
      // Our own deadlines: the library's would end the session.
      helloTimeout: null,
      readyTimeout: null,
      retrieveSessionInfo: () => (this.#isCurrent(manager) ? this.#retrieve() : new Promise(() => {})),
      updateSessionInfo: (_shard, session) => {
        if (this.#isCurrent(manager)) this.#update(session);
      },
      buildIdentifyThrottler: () => ({ waitForIdentify: (_shard, signal) => this.#waitToIdentify(signal) }),
    });
    // Everything in it but the URL is our own affair, and asking Discord before each connection is not needed.
    manager.fetchGatewayInformation = async () => ({
      url: gatewayUrl,
      shards: lease.shardCount,
      session_start_limit: { total: 1_000, remaining: 1_000, reset_after: 0, max_concurrency: 1 },
    });
    return manager;
  }

  #isCurrent(manager: WebSocketManager): boolean {
    return manager === this.#manager && !this.#over.signal.aborted;
  }

  /** The library would identify after a throw, too: a refusal never returns, and the process ends by `onFatal`. */
  async #waitToIdentify(signal: AbortSignal): Promise<void> {
    clearTimeout(this.#deadline);
    try {
      await this.#options.mayIdentify(AbortSignal.any([signal, this.#over.signal]));
      this.#startDeadline();
    } catch (error) {
      if (!signal.aborted) this.#fail(asError(error));
      await untilAborted(new Promise(() => {}), signal);
    }
  }

  /** Synchronous while a session lives: an asynchronous answer reorders events. */
  #retrieve(): SessionInfo | null | Promise<SessionInfo | null> {
    if (this.#phase !== "closed") return this.#session;
    this.#phase = "connecting";
    return this.#waitToConnect();
  }

  async #waitToConnect(): Promise<SessionInfo | null> {
    const { lease, log, metrics } = this.#options;
    const backoffMs =
      Math.min(longestBackoffMs, firstBackoffMs * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
    if (this.#failures > 0) {
      const waitMs = Math.round(backoffMs);
      log.warn(
        { component: "gateway", shard: lease.shard, failures: this.#failures, waitMs },
        "connecting again later",
      );
      await pause(waitMs, this.#over.signal).catch(() => new Promise(() => {}));
    }
    this.#failures += 1;
    this.#startDeadline();
    metrics.gatewayConnects.inc({ kind: this.#session === null ? "identify" : "resume" });
    return this.#session;
  }

  #update(session: SessionInfo | null): void {
    if (session !== null) this.#session = session;
    // Op 9 comes over an open connection; after a cut one the session still lives, whatever the library thinks.
    else if (this.#phase === "open" || endsSession.has(this.#lastClose)) this.#session = null;
  }

  #listen(manager: WebSocketManager): void {
    const on = (event: WebSocketShardEvents, react: (...args: never[]) => void) =>
      manager.on(
        event as never,
        ((...args: never[]) => {
          if (this.#isCurrent(manager)) react(...args);
        }) as never,
      );
    on(WebSocketShardEvents.Hello, () => {
      this.#phase = "open";
    });
    on(WebSocketShardEvents.Ready, () => this.#onReady("identified"));
    on(WebSocketShardEvents.Resumed, () => this.#onReady("resumed"));
    on(WebSocketShardEvents.HeartbeatComplete, () => {
      this.#heardAt = Date.now();
    });
    on(WebSocketShardEvents.Closed, (code: number) => this.#onClosed(code));
    on(WebSocketShardEvents.Dispatch, (payload: GatewayDispatchPayload) => this.#onDispatch(payload));
    // Without a listener these would end the process; what matters comes as a close code.
    on(WebSocketShardEvents.Error, (error: Error) => this.#note(error));
    on(WebSocketShardEvents.SocketError, (error: Error) => this.#note(error));
  }

  #onDispatch({ s: sequence, t: type, d: data }: GatewayDispatchPayload): void {
    if (this.#session === null) return;
    if (type === GatewayDispatchEvents.Ready) this.#lastSequence = 0;
    // A straggler of a cut connection comes again with the replay.
    if (sequence <= this.#lastSequence) return;
    this.#lastSequence = sequence;
    const { sessionId, resumeURL: resumeUrl } = this.#session;
    this.#options.onDispatch({ sessionId, resumeUrl, sequence, type, data, at: performance.now() });
  }

  #onReady(how: "identified" | "resumed"): void {
    clearTimeout(this.#deadline);
    this.#phase = "ready";
    this.#failures = 0;
    this.#heardAt = Date.now();
    this.#options.metrics.gatewayConnects.inc({ kind: how });
    this.#options.log.info({ component: "gateway", shard: this.#options.lease.shard }, `the session was ${how}`);
  }

  #onClosed(code: number): void {
    clearTimeout(this.#deadline);
    this.#phase = "closed";
    this.#lastClose = code;
    this.#options.log.info(
      { component: "gateway", shard: this.#options.lease.shard, code },
      "the connection was closed",
    );
    const sentence = fatalCodes[code];
    if (sentence !== undefined) this.#fail(new ForeseenError("discord_gateway_refused", sentence, { kind: "bury" }));
  }

  #startDeadline(): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      this.#note(new Error("no session within the deadline"));
      void this.#hangUp();
      this.#connect();
    }, this.#deadlineMs());
  }

  #deadlineMs(): number {
    return this.#options.deadlineMs ?? 15_000;
  }

  #note(error: Error): void {
    const { log, lease } = this.#options;
    log.warn({ component: "gateway", shard: lease.shard, reason: error.message }, "trouble with the connection");
  }

  #fail(error: Error): void {
    if (this.#over.signal.aborted) return;
    const known =
      error instanceof ForeseenError
        ? error
        : new ForeseenError("discord_gateway", `the gateway's client failed: ${error.message}`, { kind: "bury" });
    this.#options.onFatal(known);
  }
}
