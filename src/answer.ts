import type { Chat, Receipt } from "./chat/chat.ts";
import type { Inbox } from "./inbox/inbox.ts";
import type { Draft, Turn } from "./inbox/turns.ts";
import type { Logger } from "./log.ts";
import { sourceOf } from "./memory/forget.ts";
import type { Memory, Recalled } from "./memory/memory.ts";
import type { Metrics } from "./metrics.ts";
import type { Targets } from "./resilience/targets.ts";
import { route } from "./routing/route.ts";
import type { Settings } from "./settings/settings.ts";
import type { Think, Thinking } from "./think/graph.ts";
import { referenceOf, stepDown, type Rung } from "./think/ladder.ts";

/** The rooms a message passes through, in its order. */
export interface Rooms {
  readonly inbox: Inbox;
  readonly settings: Settings;
  readonly memory: Memory;
  readonly think: Think;
  readonly chat: Chat;
  readonly metrics: Metrics;
  readonly targets: Targets;
  readonly log: Logger;
}

/** The story of one message: route, recall, think, keep the draft, speak, remember. */
export async function answer(turn: Turn, rooms: Rooms, signal: AbortSignal): Promise<void> {
  const { envelope } = turn;
  if (turn.draft !== null) return speak(turn, turn.draft, rooms, signal);
  const lap = stopwatch({ queued: turn.takenAt.getTime() - envelope.receivedAt.getTime() });

  const snapshot = rooms.settings.current();
  const decision = route(envelope, snapshot);
  rooms.log.debug({ messageId: envelope.messageId, judge: decision.judge, reason: decision.reason }, "routed");
  lap("route");
  if (decision.kind === "ignore") return ignore(turn, decision.reason, rooms);

  rooms.chat.show(envelope, { kind: "thinking" });
  const recalled = await rooms.memory.recall(
    envelope,
    reach(decision.agent ? [decision.agent] : decision.candidates),
    signal,
  );
  lap("recall");

  const thought = {
    envelope,
    priority: turn.priority,
    snapshot,
    routed: decision,
    recalled,
    show: (progress: Parameters<Chat["show"]>[1]) => rooms.chat.show(envelope, progress),
  };
  const thinking = await rooms.think(thought, signal).catch((error: unknown) => {
    if (!signal.aborted || signal.reason?.name === "TimeoutError") return stepDown(error, thought, turn.attempts);
    throw error;
  });
  const stageMs = lap("model");
  if ("kind" in thinking && thinking.kind !== "memory") return giveUp(turn, thinking, rooms, signal);

  const finished = "kind" in thinking ? thinking.thinking : thinking;
  const draft = { text: finished.text, receipt: receiptOf(turn, finished, recalled, snapshot.revision, stageMs) };
  await rooms.inbox.saveDraft(turn, draft);
  return speak(turn, draft, rooms, signal);
}

/** Speaks a stored draft and ends the turn, with its memories, in one transaction. */
async function speak(turn: Turn, draft: Draft, rooms: Rooms, signal: AbortSignal): Promise<void> {
  const { envelope } = turn;
  const { agent: name, agentDisplayName: displayName } = draft.receipt;
  const started = performance.now();
  await rooms.inbox.beginSpeaking(turn);
  const told = {
    envelope,
    agent: { name, displayName },
    text: draft.text,
    redelivered: turn.maybeSpoken,
    receipt: draft.receipt,
  };
  await rooms.chat.speak(told, signal);
  const receipt = {
    ...draft.receipt,
    stageMs: { ...draft.receipt.stageMs, speak: Math.round(performance.now() - started) },
  };
  // An answer made from memory alone says nothing new, and would be recalled in place of what it repeats.
  const reply = receipt.model === "memory" ? null : { agent: name, displayName, text: draft.text, at: new Date() };
  await rooms.inbox.finish(turn, receipt, (tx) => rooms.memory.store(tx, envelope, reply));
  await rooms.memory.stored(envelope, reply);
  told.receipt = receipt;
  record(turn, receipt, rooms);
}

async function ignore(turn: Turn, reason: string, rooms: Rooms): Promise<void> {
  await rooms.inbox.ignore(turn, reason, async () => {});
  await rooms.memory.stored(turn.envelope, null);
  rooms.chat.show(turn.envelope, { kind: "ignored", reason });
  rooms.metrics.messages.inc({ message_type: "ignored", agent: "none" });
  rooms.log.info({ messageId: turn.envelope.messageId, reason }, "ignored");
}

async function giveUp(
  turn: Turn,
  rung: Exclude<Rung, { kind: "memory" }>,
  rooms: Rooms,
  signal: AbortSignal,
): Promise<void> {
  const { envelope } = turn;
  const reference = referenceOf(envelope.messageId);
  rooms.targets.outcome(false);
  rooms.metrics.systemErrors.inc({ error_type: rung.reason.split(":")[0] ?? "bug", component: "model" });
  rooms.log.warn(
    { messageId: envelope.messageId, attempts: turn.attempts, reference, reason: rung.reason },
    rung.kind === "defer" ? "deferred" : "buried",
  );
  if (rung.kind === "defer") {
    rooms.metrics.messages.inc({ message_type: "deferred", agent: "none" });
    await rooms.inbox.defer(turn, rung.afterMs, rung.reason);
    rooms.chat.show(envelope, { kind: "deferred", untilMs: Date.now() + rung.afterMs, sentence: rung.sentence });
    return;
  }
  rooms.metrics.messages.inc({ message_type: "buried", agent: "none" });
  const { defaultAgent } = rooms.settings.current();
  await rooms.chat.speak(
    { envelope, agent: defaultAgent, text: rung.sentence, redelivered: turn.maybeSpoken, receipt: null },
    signal,
  );
  await rooms.inbox.bury(turn, rung.reason, reference);
}

/** How far recall may look: as far as every agent that may answer is allowed to. */
function reach(
  agents: readonly { memory: { recall: boolean; scope: "channel" | "guild" } }[],
): "nothing" | "channel" | "scope" {
  if (agents.some((agent) => !agent.memory.recall)) return "nothing";
  return agents.some((agent) => agent.memory.scope === "channel") ? "channel" : "scope";
}

function receiptOf(
  turn: Turn,
  thinking: Thinking,
  recalled: Recalled,
  settingsRevision: string,
  stageMs: Record<string, number>,
): Receipt {
  return {
    messageId: turn.envelope.messageId,
    agent: thinking.agent.name,
    agentDisplayName: thinking.agent.displayName,
    chosenBy: thinking.chosenBy,
    reason: thinking.reason,
    memories: recalled.recollections.map((memory) => ({
      id: memory.id,
      // Texts stay with the memory, so that forgetting it forgets it here too.
      text: "",
      author: memory.author,
      createdAt: memory.createdAt,
      score: memory.score,
      source: sourceOf(memory.channelName, memory.sourceMessageId),
    })),
    model: thinking.model,
    promptRevision: thinking.promptRevision,
    settingsRevision,
    tokens: thinking.tokens,
    stageMs: { ...stageMs, wait: thinking.waitedMs },
    notes: [...recalled.notes, ...thinking.notes],
  };
}

function record(turn: Turn, receipt: Receipt, { metrics, targets, log }: Rooms): void {
  const seconds = (Date.now() - turn.envelope.receivedAt.getTime()) / 1000;
  metrics.messages.inc({ message_type: turn.maybeSpoken ? "redelivered" : "answered", agent: receipt.agent });
  metrics.responseSeconds.observe({ agent: receipt.agent }, seconds);
  targets.outcome(true);
  const { messageId, agent, chosenBy, model, promptRevision, settingsRevision, tokens, stageMs } = receipt;
  log.info(
    { messageId, agent, chosenBy, model, promptRevision, settingsRevision, tokens, stageMs, attempts: turn.attempts },
    "answered",
  );
}

/** Milliseconds by stage; each call closes the stage that ran since the one before and returns all so far. */
function stopwatch(stages: Record<string, number>): (stage: string) => Record<string, number> {
  let last = performance.now();
  return (stage) => {
    const now = performance.now();
    stages[stage] = Math.round(now - last);
    last = now;
    return { ...stages };
  };
}
