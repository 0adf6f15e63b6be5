import { ApplicationFlags, GatewayIntentBits } from "discord.js";
import * as z from "zod";
import type { Database } from "../connections/postgres.ts";
import type { DiscordRest } from "../discord/rest.ts";
import { asError, ForeseenError } from "../errors.ts";
import type { Check, Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { pause } from "../resilience/policies.ts";
import { readDispatch, type Heard } from "./dispatch.ts";
import { makeIdentifyThrottle } from "./identify.ts";
import { makeLeases, type Lease, type Progress } from "./leases.ts";
import { openShard, type Dispatch, type Shard } from "./shard.ts";
import { makeWriter, type Writer } from "./writer.ts";

/** Discord's gateway as a part of the process. */
export interface GatewayOptions {
  readonly database: Database;
  readonly rest: DiscordRest;
  readonly token: string;
  /** Where somebody invites the bot with this application id to their server. */
  readonly invite: (applicationId: string) => string;
  /** Names this process and no other. */
  readonly owner: string;
  /** Null: as many as Discord recommends. */
  readonly shards: number | null;
  readonly leaseMs: number;
  readonly holdEvents: number;
  /** Stores events; see makeHearing. */
  readonly store: (lease: Lease, heard: readonly Heard[], progress: Progress, signal: AbortSignal) => Promise<void>;
  /** Called at once for every event, before it is stored: an interaction has three seconds. */
  readonly onHeard: (heard: Heard) => void;
  /** Called when a shard was taken over, which others may have heard before. */
  readonly onTakenOver: () => void;
  /** Called when the part is stopped, before it hangs up. */
  readonly onStop: () => void;
  readonly metrics: Metrics;
  readonly log: Logger;
}

const gatewayBot = z.object({
  url: z.string(),
  shards: z.number(),
  session_start_limit: z.object({
    total: z.number(),
    remaining: z.number(),
    reset_after: z.number(),
    max_concurrency: z.number().default(1),
  }),
});

const application = z.object({ id: z.string(), flags: z.number().default(0) });

const intents =
  GatewayIntentBits.Guilds |
  GatewayIntentBits.GuildMessages |
  GatewayIntentBits.GuildMessageReactions |
  GatewayIntentBits.DirectMessages |
  GatewayIntentBits.DirectMessageReactions;

/** A shard without a sign of life for longer than this is not well; Discord's heartbeats are 41 s apart. */
const silentTooLongMs = 100_000;
const tickMs = 500;

/** A shard that this process holds. */
interface Held {
  readonly lease: Lease;
  readonly shard: Shard;
  readonly writer: Writer;
  /** When the lease was asked for that was granted last, by `performance.now()`. */
  grantedAt: number;
}

/** Listens to Discord: takes over shards that nobody holds, stores what they bring, and hands them over at the stop. */
export function makeGateway(options: GatewayOptions): Component {
  return new Gateway(options);
}

class Gateway implements Component {
  readonly name = "gateway";
  readonly #options: GatewayOptions;
  readonly #leases: ReturnType<typeof makeLeases>;
  readonly #throttle: ReturnType<typeof makeIdentifyThrottle>;
  readonly #stopping = new AbortController();
  readonly #held = new Map<number, Held>();
  readonly #unreadable = new Set<string>();
  #fatal: (error: Error) => void = () => {};
  /** Why no shard is connected any more, when that is for good. */
  #refused: ForeseenError | null = null;
  #wasReady = false;
  /** Whether it is known which shards are to be held here; before that nobody may count on being heard. */
  #hasLooked = false;
  #seesContent = true;
  #gatewayUrl = "";
  #running: Promise<void> = Promise.resolve();

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#leases = makeLeases(options);
    this.#throttle = makeIdentifyThrottle(options.database, async (signal) => {
      const { session_start_limit: limit } = await this.#askDiscord(signal);
      const { total, remaining, reset_after: resetAfterMs, max_concurrency: maxConcurrency } = limit;
      return { total, remaining, resetAfterMs, maxConcurrency };
    });
  }

  async start(signal: AbortSignal, fatal: (error: Error) => void): Promise<void> {
    this.#fatal = fatal;
    const { url, shards } = await this.#askDiscord(signal);
    this.#gatewayUrl = url;
    await this.#introduce(signal);
    const count = await this.#leases.ensure(this.#options.shards ?? shards);
    this.#options.log.info({ component: "gateway", shards: count }, "listening for shards that nobody holds");
    this.#running = this.#run();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopping.abort();
    this.#options.onStop();
    await this.#running;
    await Promise.all(this.#held.values().map((held) => this.#handOver(held, deadline)));
  }

  async check(): Promise<Check> {
    const held = [...this.#held.values()];
    const ready = held.filter(({ shard }) => shard.state() === "ready");
    const silent = ready.filter(({ shard }) => (shard.silentForMs() ?? 0) > silentTooLongMs);
    this.#options.metrics.gatewayShards.set({ state: "ready" }, ready.length - silent.length);
    this.#options.metrics.gatewayShards.set({ state: "connecting" }, held.length - ready.length + silent.length);
    const details = { shards: held.length, ready: ready.length, messageContent: this.#seesContent };
    if (this.#refused !== null) return { status: "unhealthy", details: { ...details, reason: this.#refused.message } };
    if (!this.#hasLooked || ready.length < held.length || silent.length > 0) return { status: "unhealthy", details };
    if (!this.#seesContent) return { status: "degraded", details: { ...details, reason: withoutContent } };
    return { status: "healthy", details };
  }

  async #askDiscord(signal: AbortSignal) {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
    return gatewayBot.parse(
      await this.#options.rest.call({ method: "GET", path: "/gateway/bot", repeatable: true }, patience),
    );
  }

  /** Tells how to invite the bot, and reads the portal's switch before its intent is asked for: asking for what is off ends the connection. */
  async #introduce(signal: AbortSignal): Promise<void> {
    const { rest, log } = this.#options;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
    const request = { method: "GET", path: "/applications/@me", repeatable: true } as const;
    const { id, flags } = application.parse(await rest.call(request, patience));
    log.info({ component: "gateway", invite: this.#options.invite(id) }, "invite the bot to a server with this link");
    const { GatewayMessageContent, GatewayMessageContentLimited } = ApplicationFlags;
    this.#seesContent = (flags & (GatewayMessageContent | GatewayMessageContentLimited)) !== 0;
    if (!this.#seesContent) log.warn({ component: "gateway" }, withoutContent);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let renewedAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        // Not by the clock of the machine, which may be set back.
        if (performance.now() - renewedAt >= this.#options.leaseMs / 3) {
          await this.#renew();
          renewedAt = performance.now();
        }
        // One at a time, so that several processes share them.
        const askedAt = performance.now();
        const lease = this.#refused === null ? await this.#leases.acquire(this.#leasesHeld()) : null;
        if (lease !== null) this.#open(lease, askedAt);
        this.#hasLooked = true;
      } catch (error) {
        this.#options.log.warn(
          { component: "gateway", reason: asError(error).message },
          "leases could not be looked at",
        );
      }
      await pause(tickMs, signal).catch(() => {});
    }
  }

  #leasesHeld(): readonly Lease[] {
    return [...this.#held.values()].map(({ lease }) => lease);
  }

  async #renew(): Promise<void> {
    const held = [...this.#held.values()];
    if (held.length === 0) return;
    const askedAt = performance.now();
    const still = await this.#leases.renew(this.#leasesHeld());
    for (const one of held) {
      if (still.has(one.lease.shard)) one.grantedAt = askedAt;
      else this.#lose(one);
    }
  }

  /** Who has the shard by now may be another process: two that connect would take its session from each other for ever. */
  async #untilRenewed(held: Held, signal: AbortSignal): Promise<void> {
    const { leaseMs, log } = this.#options;
    const isOver = () => performance.now() - held.grantedAt >= leaseMs;
    const { shard } = held.lease;
    if (isOver()) log.warn({ component: "gateway", shard }, "the lease has run out unrenewed: waiting to connect");
    while (isOver()) await pause(tickMs, signal);
  }

  #open(lease: Lease, grantedAt: number): void {
    const { database, holdEvents, metrics, log, token, store } = this.#options;
    const from = lease.session && {
      sessionId: lease.session.id,
      resumeUrl: lease.session.resumeUrl,
      watermark: lease.session.watermark,
    };
    const writer = makeWriter({
      from,
      store: (heard, progress, signal) => store(lease, heard, progress, signal),
      ping: () => database.query("select 1"),
      hold: holdEvents,
      onFenced: () => this.#lose(held),
      onOverflow: () => shard.suspend(),
      metrics,
      log,
    });
    const shard = openShard({
      lease,
      token,
      intents: this.#seesContent ? intents | GatewayIntentBits.MessageContent : intents,
      gatewayUrl: this.#gatewayUrl,
      mayConnect: (signal) => this.#untilRenewed(held, signal),
      mayIdentify: (signal) => this.#throttle.ask(lease.shard, signal),
      onDispatch: (dispatch) => this.#onDispatch(dispatch, writer),
      onFatal: (error) => this.#onRefused(error),
      metrics,
      log,
    });
    const held: Held = { lease, shard, writer, grantedAt };
    this.#held.set(lease.shard, held);
    log.info({ component: "gateway", shard: lease.shard, resumes: lease.session !== null }, "a shard was taken over");
    this.#options.onTakenOver();
  }

  #onDispatch({ sessionId, resumeUrl, sequence, type, data, at }: Dispatch, writer: Writer): void {
    if (type === "READY" || type === "RESUMED") this.#wasReady = true;
    let heard: Heard | null = null;
    try {
      heard = readDispatch({ t: type, d: data });
      if (heard !== null) this.#options.onHeard(heard);
    } catch (error) {
      this.#options.metrics.gatewayEvents.inc({ status: "unreadable" });
      // Once for each kind: the same fault comes with every event.
      const reason = asError(error).message;
      if (!this.#unreadable.has(reason) && this.#unreadable.size < 100) {
        this.#unreadable.add(reason);
        this.#options.log.warn({ component: "gateway", reason }, "an event could not be read and is left out");
      }
    }
    writer.push({ heard, sessionId, resumeUrl, sequence, at });
  }

  /** Discord refuses this bot: at the start the process ends; later it stays up, unready, says why, and keeps no shard from another process. */
  #onRefused(error: ForeseenError): void {
    if (this.#refused !== null) return;
    this.#refused = error;
    this.#options.log.error({ component: "gateway", code: error.code }, error.message);
    if (!this.#wasReady) this.#fatal(error);
    else for (const held of this.#held.values()) void this.#handOver(held, AbortSignal.timeout(10_000));
  }

  /** The shard belongs to another process now; nothing of it may be stored or heard here. */
  #lose(held: Held): void {
    if (this.#held.get(held.lease.shard) !== held) return;
    this.#held.delete(held.lease.shard);
    this.#options.log.error(
      { component: "gateway", shard: held.lease.shard },
      "a shard was taken over by another process",
    );
    void held.shard.handOver();
    void held.writer.close(AbortSignal.abort());
  }

  /** Hangs up first, then stores what has come in, and only then lets the next one resume. */
  async #handOver(held: Held, deadline: AbortSignal): Promise<void> {
    const { lease, shard, writer } = held;
    try {
      await shard.handOver();
      await writer.close(deadline);
      await this.#leases.release(lease);
      this.#options.log.info({ component: "gateway", shard: lease.shard }, "a shard was handed over");
    } catch (error) {
      this.#options.log.warn({ component: "gateway", reason: asError(error).message }, "a shard was left to its lease");
    }
    this.#held.delete(lease.shard);
  }
}

const withoutContent =
  "without the Message Content intent only mentions, direct messages and slash commands can be read; switch it on in the developer portal and start again";
