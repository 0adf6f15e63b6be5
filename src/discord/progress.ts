import type { Progress } from "../chat/chat.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { pause } from "../resilience/policies.ts";
import { DiscordRefused } from "./failures.ts";
import { localeOf, phrase } from "./phrases.ts";

/** Discord shows the sign for 10 s. */
const typingEveryMs = 8_000;
/** An answer that is there sooner needs no sign, which is half of all requests that Discord counts. */
const typeAfterMs = 400;
/** Faster edits are limited by Discord. */
const editEveryMs = 1_200;
/** An answer that is written sooner is not shown in the making. */
const showAfterMs = 3_000;
/** A shorter wait needs no words. */
const noticeableWaitMs = 5_000;
/** Whatever became of the answer, nobody types longer. */
const longestMs = 15 * 60_000;

interface ProgressOptions {
  /** Makes the answer so far look like this text. */
  readonly say: (envelope: Envelope, agent: string, text: string, signal: AbortSignal) => Promise<void>;
  /** Makes good what `say` may have written over, unless this process itself goes on to speak, or stops. */
  readonly restore: (envelope: Envelope, unless: AbortSignal) => Promise<void>;
  readonly type: (envelope: Envelope, agent: string, signal: AbortSignal) => Promise<void>;
  /** True when there is an answer, or will be none: a process that stood still may come back when another has spoken. */
  readonly isOver: (messageId: Snowflake) => Promise<boolean>;
  readonly log: Logger;
}

/** One message on its way to its answer. */
interface Live {
  readonly envelope: Envelope;
  readonly startedAt: number;
  readonly ended: AbortController;
  /** Aborts when the answer is spoken by this process, or by none because it stops. */
  readonly finished: AbortController;
  agent: string;
  text: string;
  /** What is to be shown next; null: what is there is up to date. */
  wanted: string | null;
  saying: Promise<void> | null;
  /** Discord does not let us write there; each further try would count against us. */
  isRefused: boolean;
  typing: NodeJS.Timeout | undefined;
}

/** What people see before the answer is there: a typing sign, an honest wait, a slow answer as it is written. Best effort. */
export class ProgressShow {
  readonly #options: ProgressOptions;
  readonly #lives = new Map<Snowflake, Live>();

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  show(envelope: Envelope, progress: Progress): void {
    // Who did not call is promised nothing.
    if (progress.kind === "ignored" || (progress.kind === "deferred" && !envelope.addressed)) {
      const known = this.#lives.get(envelope.messageId);
      if (known !== undefined) void this.#end(known);
      return;
    }
    const live = this.#begin(envelope);
    if (progress.kind === "text") this.#showText(live, progress.agent, progress.delta);
    else live.text = "";
    if (envelope.addressed) this.#showWait(live, progress);
  }

  /** Ends the show of one message and resolves, when nothing of it is under way any more, to whose it was; null: there was none. */
  async finish(messageId: Snowflake): Promise<Envelope | null> {
    const live = this.#lives.get(messageId);
    if (live !== undefined) await this.#finish(live);
    return live?.envelope ?? null;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#lives.values().map((live) => this.#finish(live)));
  }

  async #finish(live: Live): Promise<void> {
    live.finished.abort();
    await this.#end(live);
  }

  #begin(envelope: Envelope): Live {
    const known = this.#lives.get(envelope.messageId);
    if (known !== undefined) return known;
    const start = {
      envelope,
      startedAt: performance.now(),
      ended: new AbortController(),
      finished: new AbortController(),
    };
    const shown = { agent: "", text: "", wanted: null, saying: null, isRefused: false };
    const live: Live = { ...start, ...shown, typing: undefined };
    this.#lives.set(envelope.messageId, live);
    const typeOnce = async () => {
      const { isOver, type } = this.#options;
      if (performance.now() - live.startedAt > longestMs || (await isOver(envelope.messageId))) return this.#end(live);
      await type(envelope, live.agent, live.ended.signal);
    };
    const type = () => void typeOnce().catch(() => clearTimeout(live.typing));
    // A slash command shows by itself that it was heard.
    if (!envelope.interactionToken) {
      live.typing = setTimeout(() => {
        live.typing = setInterval(type, typingEveryMs).unref();
        type();
      }, typeAfterMs).unref();
    }
    return live;
  }

  async #end(live: Live): Promise<void> {
    this.#lives.delete(live.envelope.messageId);
    clearTimeout(live.typing);
    live.wanted = null;
    live.ended.abort();
    await live.saying;
  }

  #showText(live: Live, agent: string, delta: string): void {
    // After a hand-off another one writes, from the beginning.
    if (live.agent !== agent) live.text = "";
    live.agent = agent;
    live.text += delta;
    const isSlow = performance.now() - live.startedAt >= showAfterMs;
    if (isSlow && live.text.trim().length > 20) this.#want(live, `${live.text.trim()} …`);
  }

  #showWait(live: Live, progress: Progress): void {
    const locale = localeOf(live.envelope.locale);
    if (progress.kind === "waiting" && progress.waitMs >= noticeableWaitMs) {
      const seconds = Math.ceil(progress.waitMs / 1000);
      this.#want(live, phrase(locale, "waiting", { seconds, ahead: progress.ahead }));
    }
    if (progress.kind === "deferred") {
      const time = `<t:${Math.ceil(progress.untilMs / 1000)}:T>`;
      this.#want(live, phrase(locale, "deferred", { time }));
      clearTimeout(live.typing);
      void Promise.resolve(live.saying).then(() => this.#end(live));
    }
  }

  #want(live: Live, text: string): void {
    if (live.isRefused) return;
    live.wanted = text;
    live.saying ??= this.#sayOn(live);
  }

  async #sayOn(live: Live): Promise<void> {
    while (live.wanted !== null && !live.isRefused && !live.ended.signal.aborted) {
      const text = live.wanted;
      live.wanted = null;
      try {
        if (await this.#options.isOver(live.envelope.messageId)) return void this.#end(live);
        await this.#say(live, text);
      } catch (error) {
        if (error instanceof DiscordRefused) live.isRefused = true;
        this.#options.log.debug(
          { component: "discord", reason: asError(error).message },
          "progress could not be shown",
        );
      }
      await pause(editEveryMs, live.ended.signal).catch(() => {});
    }
    live.saying = null;
  }

  async #say({ envelope, agent, finished }: Live, text: string): Promise<void> {
    try {
      await this.#options.say(envelope, agent, text, AbortSignal.timeout(10_000));
    } finally {
      await this.#options.restore(envelope, finished.signal);
    }
  }
}
