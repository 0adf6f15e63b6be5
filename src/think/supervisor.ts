import type { Receipt } from "../chat/chat.ts";
import type { Recalled } from "../memory/memory.ts";
import type { Model } from "../model/model.ts";
import type { Agent } from "../settings/settings.ts";
import type { Thinking, Thought } from "./graph.ts";
import { renderPrompt } from "./prompt.ts";
import { addUsage, noUsage, write } from "./writing.ts";

interface Handover {
  readonly from: Thinking;
  readonly to: Agent;
}

/**
 * One model call that chooses the agent (unless that is decided) and writes its reply; a malformed reply gets one repair try, and
 * after that the fallback agent speaks the plain text. `handoff` is who should answer instead, at most once a turn.
 */
export async function supervise(
  model: Model,
  thought: Thought,
  handover: Handover | null,
  signal: AbortSignal,
): Promise<{ thinking: Thinking; handoff: Agent | null }> {
  const decided = handover?.to ?? thought.routed.agent;
  const candidates = decided === null ? thought.routed.candidates : [decided];
  const fallback = decided ?? fallbackAgent(thought);
  const targets = handover === null ? thought.routed.candidates : [];
  const mayHandOver = (agent: string, to: string) =>
    candidates.some(({ name, handoffs }) => name === agent && handoffs.includes(to)) &&
    targets.some(({ name }) => name === to);
  const recalled = knownTo(candidates, thought);
  const prompt = renderPrompt({
    snapshot: thought.snapshot,
    candidates,
    handoffs: targets.map(({ name }) => name).filter((to) => candidates.some(({ name }) => mayHandOver(name, to))),
    weights: thought.routed.weights,
    envelope: thought.envelope,
    recent: recalled.recent,
    recollections: recalled.recollections,
    attached: thought.attached,
    handedOverBy: handover?.from.agent.displayName ?? null,
  });
  const brief = { thought, prompt, candidates, recalled, fallback, mayHandOver };
  const call = await write(model, brief, withTimeout(decided, signal));
  const thinking: Thinking = {
    text: call.text,
    agent: candidates.find((agent) => agent.name === call.reply?.agent) ?? fallback,
    ...whoChose(thought, handover, call.reply !== null),
    model: call.model,
    promptRevision: prompt.revision,
    tokens: addUsage(handover?.from.tokens ?? noUsage, call.usage),
    waitedMs: (handover?.from.waitedMs ?? 0) + call.waitedMs,
    notes: [...(handover?.from.notes ?? []), ...call.notes],
  };
  return { thinking, handoff: targets.find((agent) => agent.name === call.reply?.handoff) ?? null };
}

/** Who answers when nobody was chosen: the default agent, or the first that may speak here when that one may not. */
export function fallbackAgent({ routed, snapshot }: Thought): Agent {
  if (routed.candidates.includes(snapshot.defaultAgent)) return snapshot.defaultAgent;
  return routed.candidates[0] ?? snapshot.defaultAgent;
}

/** After a hand-off another agent answers, which may be allowed to know less than the one it was recalled for. */
function knownTo(agents: readonly Agent[], { recalled, envelope }: Thought): Recalled {
  if (agents.some(({ memory }) => !memory.recall)) return { ...recalled, recollections: [] };
  if (agents.every(({ memory }) => memory.scope !== "channel")) return recalled;
  return {
    ...recalled,
    recollections: recalled.recollections.filter(({ channelId }) => channelId === envelope.channelId),
  };
}

function withTimeout(agent: Agent | null, signal: AbortSignal): AbortSignal {
  const seconds = agent?.budget.timeoutSeconds ?? null;
  return seconds === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(seconds * 1_000)]);
}

function whoChose(
  thought: Thought,
  handover: Handover | null,
  wellFormed: boolean,
): { chosenBy: Receipt["chosenBy"]; reason: string } {
  if (handover !== null)
    return { chosenBy: "handoff", reason: `${handover.from.agent.displayName} handed the message over` };
  if (thought.routed.agent !== null) return { chosenBy: "routing", reason: thought.routed.reason };
  if (wellFormed) return { chosenBy: "supervisor", reason: "the supervisor chose by specialty" };
  return { chosenBy: "fallback", reason: "the model named no agent, so the default one answers" };
}
