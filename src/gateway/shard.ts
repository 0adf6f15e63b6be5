import { WebSocketShardEvents, type SessionInfo, type WebSocketManager } from "@discordjs/ws";
import type { GatewayDispatchPayload } from "discord.js";
import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { makeClient } from "./client.ts";
import { endsSession, fatalCodes } from "./close-codes.ts";
import type { Lease, Progress } from "./leases.ts";
import { pause, untilAborted } from "../resilience/policies.ts";
import { backoffMs, untilGranted } from "./identify.ts";
import { makeSequence } from "./sequence.ts";
import { watchForSilence } from "./silence.ts";

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
  /** Hangs up for a while; the returned function connects again and asks for everything after what is `stored`. */
  suspend(): (stored: Progress | null) => void;
}

export interface ShardOptions {
  readonly lease: Lease;
  readonly token: string;
  readonly intents: number;
  /** Where new sessions begin, as Discord says. */
  readonly gatewayUrl: string;
  /** Waits until this shard may connect, after the back-off of a connection that was lost. */
  readonly mayConnect: (signal: AbortSignal) => Promise<void>;
  /** Waits until this shard may IDENTIFY. */
  readonly mayIdentify: (signal: AbortSignal) => Promise<void>;
  readonly onDispatch: (dispatch: Dispatch) => void;
  readonly onFatal: (error: ForeseenError) => void;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** From the connection to the session, save for the wait for an IDENTIFY. */
const deadlineMs = 15_000;
/** Failures in a row at the address of a session, before it is resumed where new ones begin. */
const mostFailures = 3;

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
  readonly #log: Logger;
  readonly #over = new AbortController();
  #manager: WebSocketManager | null = null;
  #phase: "closed" | "connecting" | "open" | "ready" = "closed";
  #session: SessionInfo | null;
  #lastClose = 0;
  #failures = 0;
  readonly #sequence: ReturnType<typeof makeSequence>;
  #heardAt: number | null = null;
  readonly #badFrames = new Set<string>();
  #deadline: NodeJS.Timeout | undefined;
  readonly #silence = watchForSilence(() => this.#startOver("Discord is silent"));

  constructor(options: ShardOptions) {
    this.#options = options;
    const { lease } = options;
    this.#log = options.log.child({ component: "gateway", shard: lease.shard });
    this.#session = lease.session && {
      sessionId: lease.session.id,
      resumeURL: lease.session.resumeUrl,
      sequence: lease.session.watermark,
      shardId: lease.shard,
      shardCount: lease.shardCount,
    };
    this.#sequence = makeSequence(lease.session?.watermark ?? 0);
    this.#connect();
  }

  state(): "connecting" | "ready" | "closed" {
    if (this.#over.signal.aborted) return "closed";
    return this.#phase === "ready" ? "ready" : "connecting";
  }

  silentForMs(): number | null {
    return this.#heardAt === null ? null : performance.now() - this.#heardAt;
  }

  async handOver(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    await this.#hangUp();
  }

  suspend(): (stored: Progress | null) => void {
    void this.#hangUp();
    return (stored) => {
      // A session of which nothing is stored has numbers of its own; another one brings anew what it brought.
      if (stored?.sessionId !== this.#session?.sessionId) this.#session = null;
      this.#sequence.goBackTo(stored?.watermark ?? 0);
      if (!this.#over.signal.aborted) this.#connect();
    };
  }

  #connect(): void {
    const manager = this.#makeClient();
    this.#manager = manager;
    this.#phase = "closed";
    this.#listen(manager);
    void manager.connect().catch((error: unknown) => this.#fail(asError(error)));
  }

  /** 4200 leaves the session resumable, where 1000 and 1001 would end it. Whatever the client still does is void. */
  async #hangUp(): Promise<void> {
    this.#quiet();
    const manager = this.#manager;
    this.#manager = null;
    this.#phase = "closed";
    const closing = Promise.resolve(manager?.destroy({ code: 4200, reason: "handing over" }));
    const late = new Promise<void>((resolve) => setTimeout(resolve, 2_000).unref());
    // With a peer that is gone the library waits for the end of a closing handshake that never comes.
    await Promise.race([closing.catch(() => {}), late]);
  }

  #makeClient(): WebSocketManager {
    const { lease, token, intents, gatewayUrl } = this.#options;
    return makeClient({
      lease,
      token,
      intents,
      gatewayUrl,
      handshakeTimeoutMs: deadlineMs,
      retrieve: (client) => (this.#isCurrent(client) ? this.#retrieve() : new Promise(() => {})),
      update: (client, session) => {
        if (this.#isCurrent(client)) this.#update(session);
      },
      waitToIdentify: (signal) => this.#waitToIdentify(signal),
      onBadFrame: (client, what) => {
        if (this.#isCurrent(client)) this.#onBadFrame(what);
      },
    });
  }

  #isCurrent(manager: WebSocketManager): boolean {
    return manager === this.#manager && !this.#over.signal.aborted;
  }

  /** The library would identify after a throw, too: a refusal never returns, and `onFatal` decides what becomes of the process. */
  async #waitToIdentify(signal: AbortSignal): Promise<void> {
    clearTimeout(this.#deadline);
    const until = AbortSignal.any([signal, this.#over.signal]);
    const patience = { isAtWork: () => this.#heardAt !== null, log: this.#log };
    try {
      await untilGranted((one) => this.#options.mayIdentify(one), patience, until);
      this.#startDeadline();
    } catch (error) {
      if (!until.aborted) this.#fail(asError(error));
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
    if (this.#failures > 0) {
      const waitMs = backoffMs(this.#failures);
      this.#log.warn({ failures: this.#failures, waitMs }, "connecting again later");
      await pause(waitMs, this.#over.signal).catch(() => new Promise(() => {}));
    }
    await this.#options.mayConnect(this.#over.signal).catch(() => new Promise(() => {}));
    this.#failures += 1;
    const session = this.#session;
    // The library goes by the highest number it has seen. And the address to resume at may be gone while the session is not.
    const resumeURL = this.#failures > mostFailures ? this.#options.gatewayUrl : session?.resumeURL;
    this.#session = session && { ...session, sequence: this.#sequence.connect(), resumeURL: resumeURL ?? "" };
    this.#startDeadline();
    this.#options.metrics.gatewayConnects.inc({ kind: this.#session === null ? "identify" : "resume" });
    return this.#session;
  }

  #update(session: SessionInfo | null): void {
    if (session !== null) this.#session = session;
    // Op 9 comes over an open connection; after a cut one the session still lives, whatever the library thinks.
    else if (this.#phase !== "closed" || endsSession.has(this.#lastClose)) this.#session = null;
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
    on(WebSocketShardEvents.HeartbeatComplete, () => this.#onHeartbeat());
    on(WebSocketShardEvents.Closed, (code: number) => this.#onClosed(code));
    on(WebSocketShardEvents.Dispatch, (payload: GatewayDispatchPayload) => this.#onDispatch(payload));
    // Without a listener these would end the process; what matters comes as a close code.
    on(WebSocketShardEvents.Error, (error: Error) => this.#note(error));
    on(WebSocketShardEvents.SocketError, (error: Error) => this.#note(error));
  }

  /** The library notices a missing acknowledgement too, and then waits half a minute for a peer that is gone to say goodbye. */
  #onHeartbeat(): void {
    this.#heardAt = performance.now();
    // Not when the library says that it sent it: it goes by the clock of the machine.
    this.#silence.beat(this.#heardAt);
  }

  #startOver(why: string): void {
    this.#note(new Error(why));
    void this.#hangUp();
    this.#connect();
  }

  #onBadFrame(what: string): void {
    this.#options.metrics.gatewayEvents.inc({ status: "bad_frame" });
    // Once for each kind: it may come again with every connection.
    if (!this.#badFrames.has(what)) this.#log.error({ what }, "a frame is not what Discord documents: connecting anew");
    this.#badFrames.add(what);
    void this.#hangUp();
    this.#connect();
  }

  #onDispatch({ s: sequence, t: type, d: data }: GatewayDispatchPayload): void {
    if (this.#session === null) return;
    const place = this.#sequence.judge(type, sequence);
    if (place !== "next") this.#options.metrics.gatewayEvents.inc({ status: place });
    if (place === "again") return;
    if (place === "hole") return this.#startOver("events are missing");
    const { sessionId, resumeURL: resumeUrl } = this.#session;
    this.#options.onDispatch({ sessionId, resumeUrl, sequence, type, data, at: performance.now() });
  }

  #onReady(how: "identified" | "resumed"): void {
    clearTimeout(this.#deadline);
    this.#phase = "ready";
    this.#failures = 0;
    this.#heardAt = performance.now();
    this.#options.metrics.gatewayConnects.inc({ kind: how });
    this.#log.info(`the session was ${how}`);
  }

  #quiet(): void {
    clearTimeout(this.#deadline);
    this.#silence.reset();
  }

  #onClosed(code: number): void {
    this.#quiet();
    this.#phase = "closed";
    this.#lastClose = code;
    this.#log.info({ code }, "the connection was closed");
    const sentence = fatalCodes[code];
    if (sentence !== undefined) this.#fail(new ForeseenError("discord_gateway_refused", sentence, { kind: "bury" }));
  }

  #startDeadline(): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#startOver("no session within the deadline"), deadlineMs);
  }

  #note({ message: reason }: Error): void {
    this.#log.warn({ reason }, "trouble with the connection");
  }

  #fail(error: Error): void {
    if (this.#over.signal.aborted) return;
    const bug = () =>
      new ForeseenError("discord_gateway", `the gateway's client failed: ${error.message}`, { kind: "bury" });
    this.#options.onFatal(error instanceof ForeseenError ? error : bug());
  }
}
