import { asError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Inbox } from "./inbox.ts";
import type { Turn } from "./turns.ts";

/** Answers one turn to its end; a rejection puts it back, to be taken up again by this or another process. */
type AnswerTurn = (turn: Turn, signal: AbortSignal) => Promise<void>;

interface ConsumerOptions {
  readonly inbox: Inbox;
  readonly answer: AnswerTurn;
  /** Conversations answered side by side. */
  readonly lanes: number;
  readonly turnDeadlineMs: number;
  readonly pollMs: number;
  readonly log: Logger;
}

const heartbeatMs = 15_000;

/**
 * Takes turns from the inbox and answers them. Woken by every message kept in this process and, for deferred ones and
 * those of other processes, by a look every `pollMs`. Stopping takes up nothing new, lets what is in flight finish until
 * the deadline, and puts the rest back.
 */
export function makeConsumer(options: ConsumerOptions): Component & { drained(signal: AbortSignal): Promise<void> } {
  const { inbox } = options;
  const lanes = makeLanes(options);
  let timers: NodeJS.Timeout[] = [];
  return {
    name: "consumer",
    start: async () => {
      inbox.onKept(lanes.wake);
      const beat = () => void inbox.touch([...lanes.inFlight.keys()]).catch(() => {});
      timers = [setInterval(lanes.wake, options.pollMs), setInterval(beat, heartbeatMs)];
      lanes.wake();
    },
    stop: async (deadline) => {
      await lanes.close(deadline);
      for (const timer of timers) clearInterval(timer);
    },
    check: async () => ({ status: "healthy", details: { answering: lanes.inFlight.size, lanes: options.lanes } }),
    drained: async (signal) => {
      while (!signal.aborted && (lanes.inFlight.size > 0 || (await inbox.report()).waiting > 0)) {
        await lanes.idle(signal);
      }
    },
  };
}

/** The lanes' state: turns in flight, and at most one look into the inbox at a time (`again` asks for one more after it). */
function makeLanes({ inbox, answer, lanes, turnDeadlineMs, log }: ConsumerOptions) {
  const inFlight = new Map<Turn, Promise<void>>();
  const giveUp = new AbortController();
  const onIdle = new Set<() => void>();
  let looking: Promise<void> | null = null;
  let again = false;
  let closed = false;

  const run = async (turn: Turn) => {
    try {
      await answer(turn, AbortSignal.any([giveUp.signal, AbortSignal.timeout(turnDeadlineMs)]));
    } catch (error) {
      const { messageId } = turn.envelope;
      log.error(
        { err: asError(error), messageId, attempts: turn.attempts },
        "a turn could not be ended; it is put back",
      );
      await inbox.defer(turn, 1_000 * turn.attempts, asError(error).message).catch(() => {});
    } finally {
      inFlight.delete(turn);
      wake();
    }
  };

  const look = async () => {
    try {
      while (again && !closed && inFlight.size < lanes) {
        again = false;
        for (const turn of await inbox.take(lanes - inFlight.size)) inFlight.set(turn, run(turn));
      }
      if (inFlight.size === 0) for (const tell of onIdle) tell();
    } catch (error) {
      log.error({ err: asError(error) }, "the inbox could not be read; trying again");
    } finally {
      looking = null;
    }
  };

  const wake = () => {
    again = true;
    if (!closed) looking ??= look();
  };

  return {
    inFlight,
    wake,
    /** Resolves when nothing is in flight after a look, or at the latest when `signal` aborts. */
    idle: (signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        const done = () => {
          onIdle.delete(done);
          resolve();
        };
        onIdle.add(done);
        signal.addEventListener("abort", done, { once: true });
      }),
    close: async (deadline: AbortSignal) => {
      closed = true;
      await looking;
      if (deadline.aborted) giveUp.abort();
      deadline.addEventListener("abort", () => giveUp.abort(), { once: true });
      await Promise.all(inFlight.values());
    },
  };
}
