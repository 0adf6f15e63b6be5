import { asError, ForeseenError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Inbox } from "./inbox.ts";
import type { Revoked } from "./revisions.ts";
import { referenceOf, type Turn } from "./turns.ts";

interface ConsumerOptions {
  readonly inbox: Inbox;
  /** Answers one turn to its end; a rejection puts it back, a few times. */
  readonly answer: (turn: Turn, signal: AbortSignal) => Promise<void>;
  /** Tells the person that it will not be answered, and buries it. */
  readonly giveUp: (turn: Turn, error: Error) => Promise<void>;
  /** Conversations answered side by side. */
  readonly lanes: number;
  readonly turnDeadlineMs: number;
  readonly pollMs: number;
  /** Called when a stop begins: what only waits may end now. */
  readonly onStop: () => void;
  readonly log: Logger;
}

/** A third of the silence after which a turn is put back by others. */
const heartbeatMs = 2_500;
/** An error that comes back this often is a bug, and its turn holds up a conversation. */
const mostFaults = 5;

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
      inbox.onRevoked(lanes.revoke);
      const beat = () => void inbox.touch([...lanes.inFlight.keys()]).catch(() => {});
      timers = [setInterval(lanes.wake, options.pollMs), setInterval(beat, heartbeatMs)];
      lanes.wake();
    },
    stop: async (deadline) => {
      const closed = lanes.close(deadline);
      options.onStop();
      await closed;
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

/** What becomes of a turn whose answer ended with an error. */
function makePutBack({ inbox, giveUp, log }: ConsumerOptions, stopped: AbortSignal) {
  const putBack = async (turn: Turn, error: Error): Promise<void> => {
    const { messageId } = turn.envelope;
    if (error instanceof ForeseenError && error.code === "turn_taken_over") return;
    if (stopped.aborted) {
      log.info({ messageId }, "given up at the deadline of the stop, and kept");
      await inbox.defer(turn, { afterMs: 0, reason: "the process stopped", fault: false });
      return;
    }
    const disposition = error instanceof ForeseenError ? error.disposition : null;
    if (error instanceof ForeseenError && disposition?.kind === "retry") {
      log.info({ messageId, code: error.code }, "a turn is put back");
      const afterMs = Math.max(1_000, disposition.afterMs);
      await inbox.defer(turn, { afterMs, reason: error.code, fault: false });
      return;
    }
    const faults = turn.faults + 1;
    log.error({ err: error, messageId, reference: referenceOf(messageId), faults }, "a turn could not be ended");
    if (faults >= mostFaults || disposition !== null) return giveUp(turn, error);
    const afterMs = 1_000 * 2 ** turn.faults;
    // The name alone: the message of an error nobody foresaw may quote what people wrote.
    await inbox.defer(turn, { afterMs, reason: `bug: ${error.name}`, fault: true });
  };
  const isWorthAnother = (error: Error) => error instanceof ForeseenError && error.disposition.kind === "retry";
  return (turn: Turn, error: Error) =>
    putBack(turn, error)
      // The apology has to wait: the turn does.
      .catch((unsaid: Error) => (isWorthAnother(unsaid) ? putBack(turn, unsaid) : Promise.reject(unsaid)))
      .catch((lost: Error) => log.error({ err: lost }, "a turn could not be put back"));
}

/** Resolves when one of `bells` is rung, or at the latest when `signal` aborts. */
function waitFor(bells: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      bells.delete(done);
      resolve();
    };
    bells.add(done);
    signal.addEventListener("abort", done, { once: true });
  });
}

function isRevoked({ envelope, attempts }: Turn, revoked: Revoked): boolean {
  return envelope.messageId === revoked.messageId && attempts < revoked.attempts;
}

/** The lanes' state: turns in flight, and at most one look into the inbox at a time (`again` asks for one more after it). */
function makeLanes(options: ConsumerOptions) {
  const { inbox, answer, lanes, turnDeadlineMs, log } = options;
  const inFlight = new Map<Turn, Promise<void>>();
  const stopped = new AbortController();
  const putBack = makePutBack(options, stopped.signal);
  const revocations = new Map<Turn, AbortController>();
  const onIdle = new Set<() => void>();
  let looking: Promise<void> | null = null;
  let again = false;
  let closed = false;

  const run = async (turn: Turn) => {
    const revoked = new AbortController();
    revocations.set(turn, revoked);
    try {
      await answer(turn, AbortSignal.any([stopped.signal, revoked.signal, AbortSignal.timeout(turnDeadlineMs)]));
    } catch (error) {
      // Whoever revoked it has seen to the turn.
      if (revoked.signal.aborted) return;
      await putBack(turn, asError(error));
    } finally {
      revocations.delete(turn);
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
    // Not while all lanes are full: a look that waits for nothing ends before it is noted here, and then seems never to end.
    if (!closed && inFlight.size < lanes) looking ??= look();
  };

  return {
    inFlight,
    wake,
    /** These attempts are no longer wanted; a newer one of the same message may be under way already. */
    revoke: (attempts: readonly Revoked[]) => {
      for (const [turn, revoked] of revocations) if (attempts.some((one) => isRevoked(turn, one))) revoked.abort();
    },
    idle: (signal: AbortSignal) => waitFor(onIdle, signal),
    close: async (deadline: AbortSignal) => {
      closed = true;
      await looking;
      if (deadline.aborted) stopped.abort();
      deadline.addEventListener("abort", () => stopped.abort(), { once: true });
      await Promise.all(inFlight.values());
    },
  };
}
