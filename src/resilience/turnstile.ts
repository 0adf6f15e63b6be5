import type { Priority } from "../envelope.ts";
import { goesFirst, makeFairOrder, type Place } from "./fair-order.ts";
import type { Answer, Ask, RateLimits } from "./rate-limits.ts";

type Reason = Extract<Answer, { granted: false }>["reason"];

/** How long one caller waits: milliseconds from now, how many go first, and what everyone waits for. */
export interface Delay {
  readonly waitMs: number;
  readonly ahead: number;
  readonly reason: Reason;
}

type Passage =
  | { readonly admitted: true; readonly ticket: string }
  /** It would take `waitMs`, longer than the caller is patient. */
  | { readonly admitted: false; readonly waitMs: number; readonly reason: Reason };

/** Lets callers of one bucket through in order of priority and fairly between guilds, as fast as the limits allow. */
export interface Turnstile {
  /** Callers that wait. */
  waiting(): number;
  /** `onDelay` is called when the caller has to wait and whenever the estimate changes noticeably. */
  enter(ask: Ask, onDelay: (delay: Delay) => void, signal: AbortSignal): Promise<Passage>;
  /** Look again now: the limits have changed. */
  wake(): void;
  /** Nobody waits here any more: whoever does, and whoever would have to from now on, is refused with `reason`. */
  close(reason: Error): void;
}

interface Waiter extends Place {
  readonly ask: Ask;
  readonly arrivedAt: number;
  /** It was sent away before, was told to come back about now, and came. */
  readonly returned: boolean;
  readonly onDelay: (delay: Delay) => void;
  readonly signal: AbortSignal;
  readonly settle: PromiseWithResolvers<Passage>;
  promisedAt: number | null;
}

const ranks: Readonly<Record<Priority, number>> = { mention: 0, reply: 1, ambient: 2, background: 3 };
/** An estimate that is this much off is corrected. */
const noticeableMs = 2_000;
/** How late a caller with an appointment may be and keep its place. */
const graceMs = 15_000;

/** Builds a turnstile in front of `limits`. A caller that would wait longer than `patienceMs` is sent away at once. */
export function makeTurnstile(limits: RateLimits, patienceMs: number, now: () => number): Turnstile {
  const line = new Line(limits, patienceMs, now);
  return {
    waiting: () => line.queue.length,
    wake: () => line.bell.ring(),
    close: (reason) => line.close(reason),
    enter: (ask, onDelay, signal) => line.enter(ask, onDelay, signal),
  };
}

/**
 * Those who wait, first to go first. One loop runs while there are any: it asks the limits for the first in line, lets
 * it through or sleeps as long as the limits say, and starts over whenever somebody comes, leaves or the limits change.
 */
class Line {
  readonly queue: Waiter[] = [];
  readonly bell = makeBell();
  private readonly limits: RateLimits;
  private readonly patienceMs: number;
  private readonly now: () => number;
  private readonly book: ReturnType<typeof makeBook>;
  private readonly order: ReturnType<typeof makeFairOrder>;
  private running = false;
  private closed: Error | null = null;
  private reason: Reason = "requests_per_minute";

  constructor(limits: RateLimits, patienceMs: number, now: () => number) {
    this.limits = limits;
    this.patienceMs = patienceMs;
    this.now = now;
    this.book = makeBook(now);
    this.order = makeFairOrder(now);
  }

  async enter(ask: Ask, onDelay: (delay: Delay) => void, signal: AbortSignal): Promise<Passage> {
    signal.throwIfAborted();
    const rank = ranks[ask.priority];
    const settle = Promise.withResolvers<Passage>();
    const kept = this.book.keep(rank, ask.scope);
    const turn = this.order.turnOf(rank, ask.scope, [...this.queue, ...this.book.toCome()]);
    const waiter: Waiter = {
      ask,
      rank,
      scope: ask.scope,
      turn: Math.min(turn, kept?.turn ?? turn),
      arrivedAt: this.now(),
      returned: kept !== null,
      onDelay,
      signal,
      settle,
      promisedAt: null,
    };
    const place = this.queue.findIndex((other) => !goesFirst(other, waiter));
    this.queue.splice(place === -1 ? this.queue.length : place, 0, waiter);
    const onAbort = () => {
      this.leave(waiter);
      settle.reject(signal.reason);
      this.bell.ring();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (this.running) this.bell.ring();
    else void this.run();
    return settle.promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  close(reason: Error): void {
    this.closed = reason;
    this.bell.ring();
  }

  private async run(): Promise<void> {
    this.running = true;
    for (let head = this.queue[0]; head !== undefined; head = this.queue[0]) {
      const answer = await this.limits.take(head.ask, head.signal).catch((error: unknown) => ({ error }));
      if ("error" in answer) {
        this.leave(head);
        head.settle.reject(answer.error);
      } else if (answer.granted) {
        this.leave(head);
        this.order.went(head, this.queue.length === 0);
        head.settle.resolve({ admitted: true, ticket: answer.ticket });
      } else if (this.closed !== null) {
        this.leave(head);
        head.settle.reject(this.closed);
      } else {
        this.reason = answer.reason;
        this.arrange(answer.line ?? []);
        if (this.queue[0] !== head && answer.line?.[0] === this.queue[0]?.ask.id) continue;
        const rung = this.bell.sleep(answer.retryInMs);
        await this.tellAll();
        if (this.queue.length === 0) this.bell.ring();
        await rung;
      }
    }
    this.running = false;
  }

  /** Puts those whose order the limits know into that order, each where one of them stood. */
  private arrange(line: readonly string[]): void {
    const places = new Map(line.map((id, index) => [id, index]));
    const placeOf = ({ ask }: Waiter) => places.get(ask.id) ?? Number.POSITIVE_INFINITY;
    const known = this.queue.filter((waiter) => places.has(waiter.ask.id)).sort((a, b) => placeOf(a) - placeOf(b));
    for (const [index, waiter] of this.queue.entries())
      if (places.has(waiter.ask.id)) this.queue[index] = known.shift() ?? waiter;
  }

  private async tellAll(): Promise<void> {
    for (const waiter of this.queue.slice()) {
      const position = this.queue.indexOf(waiter);
      if (position !== -1) await this.tell(waiter, position).catch(waiter.settle.reject);
    }
  }

  private async tell(waiter: Waiter, position: number): Promise<void> {
    const { limits, now, queue, reason } = this;
    const ahead = position + (waiter.returned ? 0 : this.book.before(waiter));
    const tokens = queue.slice(0, position + 1).reduce((sum, other) => sum + other.ask.tokens, 0) / (position + 1);
    const waitMs = await limits.estimateMs({ ...waiter.ask, tokens: Math.ceil(tokens) }, ahead, waiter.signal);
    if (now() - waiter.arrivedAt + waitMs > this.patienceMs) {
      this.leave(waiter);
      this.book.add(now() + waitMs, waiter);
      waiter.settle.resolve({ admitted: false, waitMs, reason });
      return;
    }
    const at = now() + waitMs;
    if (waiter.promisedAt !== null && Math.abs(at - waiter.promisedAt) <= noticeableMs) return;
    waiter.promisedAt = at;
    waiter.onDelay({ waitMs, ahead, reason });
  }

  private leave(waiter: Waiter): void {
    const index = this.queue.indexOf(waiter);
    if (index === -1) return;
    this.queue.splice(index, 1);
    void this.limits.leave(waiter.ask);
  }
}

/** Who was told to come back when, so that the next one is not told the same time. */
function makeBook(now: () => number) {
  let appointments: (Place & { readonly at: number })[] = [];
  return {
    add: (at: number, { rank, scope, turn }: Place) => void appointments.push({ at, rank, scope, turn }),
    toCome: (): readonly Place[] => appointments.filter(({ at }) => at > now()),
    /** Those still to come who go before somebody new with this place. */
    before: (place: Place) => appointments.filter((one) => one.at > now() && goesFirst(one, place)).length,
    /** The appointment of somebody of this rank and scope who was told to come about now, which is then kept and gone. */
    keep(rank: number, scope: string): Place | null {
      appointments = appointments.filter((one) => one.at + graceMs > now());
      const index = appointments.findIndex(
        (one) => one.rank === rank && one.scope === scope && one.at <= now() + noticeableMs,
      );
      return index === -1 ? null : (appointments.splice(index, 1)[0] ?? null);
    },
  };
}

/** A sleep that can be ended early. */
function makeBell() {
  let end: (() => void) | null = null;
  return {
    ring: () => end?.(),
    async sleep(ms: number): Promise<void> {
      const rung = Promise.withResolvers<void>();
      end = rung.resolve;
      // setTimeout takes at most 2^31 - 1 ms and may ring up to a millisecond early.
      const timer = setTimeout(rung.resolve, Math.min(ms + 1, 2 ** 31 - 1));
      await rung.promise;
      clearTimeout(timer);
    },
  };
}
