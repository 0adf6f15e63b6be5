import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Heard } from "./dispatch.ts";
import { pause } from "../resilience/policies.ts";
import { Fenced, type Progress } from "./leases.ts";

/** One event on its way into Postgres. Null: it does not concern us, and only moves the watermark. */
interface Item {
  readonly heard: Heard | null;
  readonly sessionId: string;
  readonly resumeUrl: string;
  readonly sequence: number;
  readonly at: number;
}

/** Stores the events of one shard, in their order and each with its place in the session. */
export interface Writer {
  push(item: Item): void;
  /** The last that is stored; null before the first. */
  stored(): Progress | null;
  /** Resolves when everything pushed is stored, or when `deadline` aborts; stores nothing afterwards. */
  close(deadline: AbortSignal): Promise<void>;
}

interface WriterOptions {
  /** Where the shard's session stands at the beginning. */
  readonly from: Progress | null;
  /** Stores a batch and moves the watermark, in one transaction. */
  readonly store: (heard: readonly Heard[], progress: Progress, signal: AbortSignal) => Promise<void>;
  /** Rejects when Postgres is away. */
  readonly ping: () => Promise<unknown>;
  /** More events than this are not held. */
  readonly hold: number;
  readonly onFenced: (error: Fenced) => void;
  /** Too many are held: whoever pushes must stop, and go on after what is `stored` when the returned function is called. */
  readonly onOverflow: () => (stored: Progress | null) => void;
  readonly metrics: Metrics;
  readonly log: Logger;
}

const mostInBatch = 200;
/** A batch that fails this often while Postgres answers holds an event that cannot be stored. */
const mostFaults = 3;
/** What is waited for may come back at any moment, and all that the shard has heard stands behind it. */
const longestBackoffMs = 10_000;

/** Builds the writer of one shard. While Postgres is away it holds what comes, up to `hold`, and the watermark stands still. */
export function makeWriter(options: WriterOptions): Writer {
  return new BatchWriter(options);
}

class BatchWriter implements Writer {
  readonly #options: WriterOptions;
  readonly #stopping = new AbortController();
  #queue: Item[] = [];
  #progress: Progress | null = null;
  #running: Promise<void> | null = null;
  #overflow: ReturnType<WriterOptions["onOverflow"]> | null = null;
  #fenced = false;
  #isAway = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#progress = options.from;
  }

  push(item: Item): void {
    if (this.#fenced || this.#overflow !== null || this.#stopping.signal.aborted) return;
    this.#queue.push(item);
    if (this.#queue.length > this.#options.hold) this.#drop();
    this.#running ??= this.#run();
  }

  stored(): Progress | null {
    return this.#progress;
  }

  async close(deadline: AbortSignal): Promise<void> {
    const stop = () => this.#stopping.abort();
    if (deadline.aborted) stop();
    deadline.addEventListener("abort", stop, { once: true });
    await this.#running;
    stop();
  }

  /** What is too much is let go: Discord sends it again after the resume. What is held stays, so that each resume begins further on. */
  #drop(): void {
    const { log, hold, metrics, onOverflow } = this.#options;
    log.error({ component: "gateway", held: hold }, "too many events wait for Postgres: hanging up until it is back");
    metrics.gatewayEvents.inc({ status: "let_go" }, this.#queue.length - hold);
    this.#queue = this.#queue.slice(0, hold);
    this.#overflow = onOverflow();
  }

  async #run(): Promise<void> {
    // So that events which arrive together are stored together.
    await Promise.resolve();
    const { signal } = this.#stopping;
    let faults = 0;
    while ((this.#queue.length > 0 || this.#overflow !== null) && !signal.aborted && !this.#fenced) {
      try {
        if (this.#queue.length > 0) await this.#storeNext(faults >= mostFaults ? 1 : mostInBatch);
        else await this.#options.ping();
        faults = 0;
        this.#isAway = false;
        this.#goOn();
      } catch (error) {
        faults = await this.#afterFault(asError(error), faults, signal);
      }
    }
    this.#running = null;
  }

  async #storeNext(most: number): Promise<void> {
    const { store, metrics } = this.#options;
    const batch = firstOf(this.#queue, most);
    const last = batch.at(-1);
    if (last === undefined) return;
    const heard = batch.flatMap((item) => (item.heard === null ? [] : [item.heard]));
    const progress = { sessionId: last.sessionId, resumeUrl: last.resumeUrl, watermark: last.sequence };
    await store(heard, progress, this.#stopping.signal);
    this.#progress = progress;
    this.#queue = this.#queue.slice(batch.length);
    metrics.gatewayEvents.inc({ status: "stored" }, heard.length);
    metrics.gatewayEvents.inc({ status: "unneeded" }, batch.length - heard.length);
    for (const { at } of batch) metrics.gatewayLag.observe((performance.now() - at) / 1000);
  }

  #goOn(): void {
    if (this.#overflow === null || this.#queue.length > 0) return;
    const resume = this.#overflow;
    this.#overflow = null;
    resume(this.#progress);
  }

  /** Resolves to how often in a row a batch has failed while Postgres answered. */
  async #afterFault(fault: Error, faults: number, signal: AbortSignal): Promise<number> {
    const { log, metrics, ping, onFenced } = this.#options;
    if (fault instanceof Fenced) {
      this.#fenced = true;
      this.#queue = [];
      onFenced(fault);
      return 0;
    }
    if (signal.aborted) return faults;
    const isThere = await ping().then(
      () => true,
      () => false,
    );
    if (!isThere) {
      if (!this.#isAway) log.warn({ component: "gateway" }, "Postgres is away: holding what comes");
      this.#isAway = true;
      await pause(500, signal).catch(() => {});
      return faults;
    }
    log.error({ err: fault, component: "gateway", faults: faults + 1 }, "events could not be stored");
    if (faults > mostFaults && !(fault instanceof ForeseenError && fault.disposition.kind === "retry")) {
      const [lost] = this.#queue;
      metrics.gatewayEvents.inc({ status: "unstorable" });
      log.error(
        { component: "gateway", kind: lost?.heard?.kind ?? null },
        "one event is left out: it cannot be stored",
      );
      this.#queue = this.#queue.slice(1);
      return 0;
    }
    await pause(Math.min(longestBackoffMs, 100 * 2 ** faults), signal).catch(() => {});
    return faults + 1;
  }
}

/**
 * The first events, at most `most`, of one session. Places, messages and interactions go apart, so that a message finds its channel stored and a
 * command finds what was said before it; what may fetch what was missed stands alone.
 */
function firstOf(queue: readonly Item[], most: number): readonly Item[] {
  const [first] = queue;
  if (first === undefined || standsAlone(first)) return queue.slice(0, 1);
  const belongs = (item: Item) =>
    item.sessionId === first.sessionId && !standsAlone(item) && groupOf(item) === groupOf(first);
  const end = queue.findIndex((item) => !belongs(item));
  return queue.slice(0, Math.min(most, end === -1 ? queue.length : end));
}

function standsAlone({ heard }: Item): boolean {
  return heard?.kind === "guild" || heard?.kind === "ready";
}

const spoken = new Set<Heard["kind"] | undefined>(["message", "edited", "unfurled", "deleted", "reaction"]);

function groupOf({ heard }: Item): "place" | "talk" | "interaction" {
  if (heard?.kind === "interaction") return "interaction";
  return spoken.has(heard?.kind) ? "talk" : "place";
}
