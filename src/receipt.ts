import type { Receipt } from "./chat/chat.ts";
import type { Source } from "./inbox/forgetting.ts";
import type { Turn } from "./inbox/turns.ts";
import type { Logger } from "./log.ts";
import { sourceOf } from "./memory/forget.ts";
import type { Recalled } from "./memory/memory.ts";
import type { Metrics } from "./metrics.ts";
import type { Targets } from "./resilience/targets.ts";
import type { Thinking } from "./think/graph.ts";

/** How an answer came about, as it is stored with its turn. */
export function receiptOf(
  turn: Turn,
  thinking: Thinking,
  recalled: Recalled,
  settingsRevision: string,
  stageMs: Readonly<Record<string, number>>,
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
    heard: [...new Set(recalled.recent.map(({ messageId }) => messageId))],
    model: thinking.model,
    promptRevision: thinking.promptRevision,
    settingsRevision,
    tokens: thinking.tokens,
    stageMs: { ...stageMs, wait: thinking.waitedMs },
    notes: [...recalled.notes, ...thinking.notes],
  };
}

/** The words that were read for an answer, each with the message it is of. */
export function sourcesOf({ recent, recollections }: Recalled): readonly Source[] {
  const heard = recent.map(({ messageId, agent, text }) => ({ messageId, agent, text }));
  const remembered = recollections.map(({ sourceMessageId: messageId, agent, text }) => ({ messageId, agent, text }));
  return [...heard, ...remembered];
}

/** Writes one answered turn into the metrics, the targets and, as one line without any text, the log. */
export function recordAnswer(
  turn: Turn,
  receipt: Receipt,
  { metrics, targets, log }: { metrics: Metrics; targets: Targets; log: Logger },
): void {
  const { messageId, agent, chosenBy, model, promptRevision, settingsRevision, tokens, stageMs } = receipt;
  metrics.messages.inc({ message_type: turn.maybeSpoken ? "redelivered" : "answered", agent });
  metrics.responseSeconds.observe({ agent }, (Date.now() - turn.envelope.receivedAt.getTime()) / 1000);
  targets.outcome(true);
  const { attempts } = turn;
  log.info(
    { messageId, agent, chosenBy, model, promptRevision, settingsRevision, tokens, stageMs, attempts },
    "answered",
  );
}

/** Milliseconds by stage; each call closes the stage that ran since the one before and returns all so far. */
export function stopwatch(stages: Record<string, number>): (stage: string) => Readonly<Record<string, number>> {
  let last = performance.now();
  return (stage) => {
    const now = performance.now();
    stages[stage] = Math.round(now - last);
    last = now;
    return { ...stages };
  };
}
