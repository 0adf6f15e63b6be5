import { answer, giveUp } from "../answer.ts";
import type { Chat } from "../chat/chat.ts";
import { makeConsumer } from "../inbox/consumer.ts";
import { makeThink } from "../think/graph.ts";
import { apologyFor } from "../think/ladder.ts";
import type { Foundation, RoleOptions } from "./foundation.ts";

/** The consumer of the inbox with all rooms that a message passes through. */
export function makeAnswering({ config, metrics, log }: RoleOptions, foundation: Foundation, chat: Chat) {
  const { inbox, settings, memory, targets, model } = foundation;
  const rooms = { inbox, settings, memory, think: makeThink(model), chat, metrics, targets, log };
  const consumer = makeConsumer({
    inbox,
    answer: (turn, signal) => answer(turn, rooms, signal),
    giveUp: (turn, error) => giveUp(turn, apologyFor(turn, error), rooms),
    lanes: config.lanes,
    turnDeadlineMs: config.turnDeadlineMs,
    pollMs: 1_000,
    onStop: () => model.stopWaiting(),
    log,
  });
  return consumer;
}
