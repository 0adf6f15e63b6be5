import { asError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Inbox } from "./inbox.ts";
import type { Turn } from "./turns.ts";

/** Answers one turn to its end; a rejection puts it back, to be taken up again by this or another process. */
export type AnswerTurn = (turn: Turn, signal: AbortSignal) => Promise<void>;

/**
 * Takes turns from the inbox and answers them, at most `lanes` conversations side by side. Woken by every message kept in this
 * process and, for deferred ones and those of other processes, by a look every `pollMs`. Stopping takes up nothing new, lets what is in
 * flight finish until the deadline, and puts the rest back.
 */
export function makeConsumer(options: {
  inbox: Inbox;
  answer: AnswerTurn;
  lanes: number;
  turnDeadlineMs: number;
  pollMs: number;
  log: Logger;
}): Component & { drained(signal: AbortSignal): Promise<void> } {
  const { inbox, log } = options;
  const inFlight = new Map<Turn, Promise<void>>();
  const giveUp = new AbortController();
  const idle = new Set<() => void>();
  let stopping = false;
  let taking: Promise<void> | null = null;
  let again = false;
  let poll: NodeJS.Timeout | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  const run = async (turn: Turn) => {
    try {
      await options.answer(turn, AbortSignal.any([giveUp.signal, AbortSignal.timeout(options.turnDeadlineMs)]));
    } catch (error) {
      log.error({ err: asError(error), messageId: turn.envelope.messageId, attempts: turn.attempts }, "a turn could not be ended; it is put back");
      await inbox.defer(turn, 1_000 * turn.attempts, asError(error).message).catch(() => {});
    } finally {
      inFlight.delete(turn);
      wake();
    }
  };

  const fill = async () => {
    try {
      do {
        again = false;
        const free = options.lanes - inFlight.size;
        if (free <= 0) return;
        for (const turn of await inbox.take(free)) inFlight.set(turn, run(turn));
      } while (again && !stopping);
      if (inFlight.size === 0) for (const look of idle) look();
    } catch (error) {
      log.error({ err: asError(error) }, "the inbox could not be read; trying again");
    } finally {
      taking = null;
    }
  };

  const wake = () => {
    again = true;
    if (!stopping) taking ??= fill();
  };

  return {
    name: "consumer",
    start: async () => {
      inbox.onKept(wake);
      poll = setInterval(wake, options.pollMs);
      heartbeat = setInterval(() => void inbox.touch([...inFlight.keys()]).catch(() => {}), 15_000);
      wake();
    },
    stop: async (deadline) => {
      stopping = true;
      clearInterval(poll);
      await taking;
      deadline.addEventListener("abort", () => giveUp.abort(), { once: true });
      if (deadline.aborted) giveUp.abort();
      await Promise.all(inFlight.values());
      clearInterval(heartbeat);
    },
    check: async () => ({ status: "healthy", details: { answering: inFlight.size, lanes: options.lanes } }),
    drained: async (signal) => {
      while (!signal.aborted && (inFlight.size > 0 || (await inbox.report()).waiting > 0)) {
        await nextIdle(idle, signal);
      }
    },
  };
}

async function nextIdle(idle: Set<() => void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      idle.delete(done);
      resolve();
    };
    idle.add(done);
    signal.addEventListener("abort", done, { once: true });
  });
}
