import type { Chat, Progress } from "./chat/chat.ts";
import type { Envelope } from "./envelope.ts";
import { ForeseenError } from "./errors.ts";
import type { Inbox } from "./inbox/inbox.ts";
import { referenceOf, type Draft, type Turn } from "./inbox/turns.ts";
import type { Logger } from "./log.ts";
import type { Memory } from "./memory/memory.ts";
import type { Metrics } from "./metrics.ts";
import { receiptOf, recordAnswer, sourcesOf, stopwatch } from "./receipt.ts";
import { makeRetry } from "./resilience/policies.ts";
import type { Targets } from "./resilience/targets.ts";
import { withinBudget } from "./routing/budget.ts";
import { route } from "./routing/route.ts";
import type { Settings, Snapshot } from "./settings/settings.ts";
import type { Think, Thought } from "./think/graph.ts";
import { stepDown, type Rung } from "./think/ladder.ts";

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
  if (turn.silenced && !turn.maybeSpoken) return ignore(turn, silenced, rooms);
  if (turn.draft !== null) {
    await rooms.inbox.beginSpeaking(turn);
    return speak(turn, turn.draft, rooms, signal);
  }
  const lap = stopwatch({ queued: turn.takenAt.getTime() - envelope.receivedAt.getTime() });

  const snapshot = await affordable(rooms);
  if (snapshot === null) return giveUp(turn, spentForToday, rooms);
  const decision = route(envelope, snapshot);
  rooms.log.debug({ messageId: envelope.messageId, judge: decision.judge, reason: decision.reason }, "routed");
  lap("route");
  if (decision.kind === "ignore") return ignore(turn, decision, rooms);

  // Whose turn was revoked a moment ago would be seen typing with nobody to stop it.
  signal.throwIfAborted();
  rooms.chat.show(envelope, { kind: "thinking" });
  const recalled = await rooms.memory.recall(turn, decision.agent ? [decision.agent] : decision.candidates, signal);
  const attached = await rooms.chat.read(envelope, signal);
  lap("recall");

  const show = (progress: Progress) => tell(envelope, progress, rooms);
  const thought = { envelope, priority: turn.priority, snapshot, routed: decision, recalled, attached, show };
  const thinking = await thinkOrStepDown(turn, thought, rooms, signal);
  const stageMs = lap("model");
  if ("kind" in thinking)
    return thinking.kind === "defer" ? defer(turn, thinking, rooms) : giveUp(turn, thinking, rooms);

  const draft = { text: thinking.text, receipt: receiptOf(turn, thinking, recalled, snapshot.revision, stageMs) };
  await rooms.inbox.saveDraft(turn, draft, sourcesOf(recalled));
  return speak(turn, draft, rooms, signal);
}

const silenced = { judge: "silenced", reason: "a moderator has silenced the bot here" };

const spentForToday = {
  sentence: "I have used up what I may spend today. Please ask me again after midnight UTC.",
  reason: "budget: every agent has used its daily tokens",
};

async function affordable({ settings, inbox }: Rooms): Promise<Snapshot | null> {
  const snapshot = settings.current();
  const limited = snapshot.agents.some(({ budget }) => budget.dailyTokens !== null);
  return limited ? withinBudget(snapshot, await inbox.tokensToday()) : snapshot;
}

async function thinkOrStepDown(turn: Turn, thought: Thought, rooms: Rooms, signal: AbortSignal) {
  try {
    return await rooms.think(thought, signal);
  } catch (error) {
    const stopped = signal.aborted && signal.reason?.name !== "TimeoutError";
    if (stopped || (error instanceof ForeseenError && error.code === "stopping")) throw error;
    const rung = stepDown(error, thought, turn);
    const { messageId } = turn.envelope;
    rooms.log.warn(
      { err: error, messageId, faults: turn.faults, reference: referenceOf(messageId), next: rung.kind },
      "the model did not answer",
    );
    // The governor has counted what it foresaw.
    if (!(error instanceof ForeseenError)) rooms.metrics.systemErrors.inc({ error_type: "bug", component: "think" });
    return rung.kind === "memory" ? rung.thinking : rung;
  }
}

/** Speaks a stored draft and ends the turn, with its memories, in one transaction. */
async function speak(turn: Turn, draft: Draft, rooms: Rooms, signal: AbortSignal): Promise<void> {
  const { envelope } = turn;
  const { agent: name, agentDisplayName: displayName, stageMs, model } = draft.receipt;
  const started = performance.now();
  await rooms.chat.speak(
    { envelope, agent: { name, displayName }, text: draft.text, redelivered: turn.maybeSpoken, receipt: draft.receipt },
    signal,
  );
  const receipt = { ...draft.receipt, stageMs: { ...stageMs, speak: Math.round(performance.now() - started) } };
  // An answer made from memory alone says nothing new, and would be recalled in place of what it repeats.
  const reply = model === "memory" ? null : { agent: name, displayName, text: draft.text };
  // Tried again here, because the way back through the inbox would speak it a second time.
  let refresh = async () => {};
  const end = () =>
    rooms.inbox.finish(turn, receipt, async (tx, isKept) => {
      if (turn.remembered) refresh = await rooms.memory.store(tx, turn.parts, isKept ? reply : null);
    });
  await untilStored(end, AbortSignal.timeout(60_000));
  await refresh();
  recordAnswer(turn, receipt, rooms);
}

const untilStored = makeRetry({
  retries: 10,
  initialMs: 100,
  maxMs: 10_000,
  when: (error) => (error as { code?: unknown }).code !== "turn_taken_over",
});

/** What people say among themselves is remembered; what no agent may hear about is not. */
async function ignore(turn: Turn, { judge, reason }: { judge: string; reason: string }, rooms: Rooms): Promise<void> {
  const { envelope } = turn;
  const isTalk = judge === "not-addressed" && turn.remembered;
  let refresh = async () => {};
  await rooms.inbox.ignore(turn, reason, async (tx) => {
    if (isTalk) refresh = await rooms.memory.store(tx, turn.parts, null);
  });
  await refresh();
  rooms.chat.show(envelope, { kind: "ignored", reason });
  rooms.metrics.messages.inc({ message_type: "ignored", agent: "none" });
  rooms.log.info({ messageId: envelope.messageId, reason }, "ignored");
}

async function defer(turn: Turn, rung: Rung & { kind: "defer" }, rooms: Rooms): Promise<void> {
  const { afterMs, reason, fault } = rung;
  const until = await rooms.inbox.defer(turn, { afterMs, reason, fault });
  rooms.metrics.messages.inc({ message_type: "deferred", agent: "none" });
  tell(turn.envelope, { kind: "deferred", untilMs: until.getTime(), sentence: rung.sentence }, rooms);
}

/** The end of every ladder: the person gets an apology with a reference, and the turn is buried with its reason. */
export async function giveUp(turn: Turn, end: { sentence: string; reason: string }, rooms: Rooms): Promise<void> {
  const { envelope } = turn;
  const reference = referenceOf(envelope.messageId);
  const { defaultAgent: agent } = rooms.settings.current();
  await rooms.inbox.beginSpeaking(turn);
  const apology = { envelope, agent, text: end.sentence, redelivered: turn.maybeSpoken, receipt: null };
  await rooms.chat.speak(apology, AbortSignal.timeout(10_000)).catch((error: unknown) => {
    if (error instanceof ForeseenError && error.disposition.kind === "retry") throw error;
    // Where nothing may be said the turn ends all the same: it would hold up its conversation for ever.
    rooms.log.warn({ err: error, messageId: envelope.messageId, reference }, "an apology could not be said");
  });
  await untilStored(() => rooms.inbox.bury(turn, end.reason, reference), AbortSignal.timeout(60_000));
  // A budget that is kept to is no failure, and nobody is alerted of it.
  const isFailure = end !== spentForToday;
  if (isFailure) rooms.targets.outcome(false);
  rooms.metrics.messages.inc({ message_type: isFailure ? "buried" : "over_budget", agent: "none" });
  rooms.log.error({ messageId: envelope.messageId, reference, reason: end.reason }, "buried");
}

/** A shorter wait is over before anybody has read of it. */
const leastWaitToldMs = 1_000;

/** Progress is for the person; a wait is for operators as well. */
function tell(envelope: Envelope, progress: Progress, { chat, log }: Rooms): void {
  const { messageId } = envelope;
  if (progress.kind === "waiting" && progress.waitMs < leastWaitToldMs) return;
  if (progress.kind === "waiting") log.info({ messageId, waitMs: progress.waitMs, ahead: progress.ahead }, "waiting");
  if (progress.kind === "deferred")
    log.info({ messageId, until: new Date(progress.untilMs).toISOString() }, "deferred");
  chat.show(envelope, progress);
}
