import type { Receipt } from "../chat/chat.ts";
import { ForeseenError } from "../errors.ts";
import type { GenerateOutcome, GenerateRequest, Model, Usage } from "../model/model.ts";
import type { Agent } from "../settings/settings.ts";
import type { Thinking, Thought } from "./graph.ts";
import { renderPrompt, type Prompt } from "./prompt.ts";
import { makeReplyStream, parseReply, type ParsedReply, type ReplyStream } from "./reply.ts";

const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
const defaultMaxOutputTokens = 2048;

interface Handover {
  readonly from: Thinking;
  readonly to: Agent;
}

/**
 * One model call that chooses the agent (unless that is decided) and writes its reply; a malformed reply gets one repair try, and
 * after that the default agent speaks the plain text. `handoff` is who should answer instead, at most once a turn.
 */
export async function supervise(
  model: Model,
  thought: Thought,
  handover: Handover | null,
  signal: AbortSignal,
): Promise<{ thinking: Thinking; handoff: Agent | null }> {
  const decided = handover?.to ?? thought.routed.agent;
  const candidates = decided === null ? thought.routed.candidates : [decided];
  const prompt = renderPrompt({
    ...thought,
    candidates,
    handoffs: handover === null ? handoffsOf(candidates) : [],
    weights: thought.routed.weights,
    recent: thought.recalled.recent,
    recollections: thought.recalled.recollections,
    handedOverBy: handover?.from.agent.displayName ?? null,
  });
  const seconds = decided?.budget.timeoutSeconds ?? null;
  const limited = seconds === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(seconds * 1_000)]);
  const call = await write(model, thought, prompt, candidates, limited);
  const chosen =
    candidates.find((agent) => agent.name === call.reply?.agent) ?? decided ?? thought.snapshot.defaultAgent;
  const thinking: Thinking = {
    text: call.text,
    agent: chosen,
    ...whoChose(thought, handover, call.reply !== null),
    model: call.model,
    promptRevision: prompt.revision,
    tokens: addUsage(handover?.from.tokens ?? noUsage, call.usage),
    waitedMs: (handover?.from.waitedMs ?? 0) + call.waitedMs,
    notes: [...(handover?.from.notes ?? []), ...call.notes],
  };
  return { thinking, handoff: handoffOf(call.reply, chosen, thought, handover) };
}

function handoffsOf(candidates: readonly Agent[]): readonly string[] {
  return [...new Set(candidates.flatMap((agent) => agent.handoffs))];
}

function handoffOf(
  reply: ParsedReply | null,
  chosen: Agent,
  thought: Thought,
  handover: Handover | null,
): Agent | null {
  if (handover !== null || !reply?.handoff || !chosen.handoffs.includes(reply.handoff)) return null;
  return thought.snapshot.agents.find((agent) => agent.name === reply.handoff) ?? null;
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

interface Written {
  /** Null when the model never wrote a well-formed reply. */
  readonly reply: ParsedReply | null;
  readonly text: string;
  readonly model: string;
  readonly usage: Usage;
  readonly waitedMs: number;
  readonly notes: readonly string[];
}

async function write(
  model: Model,
  thought: Thought,
  prompt: Prompt,
  candidates: readonly Agent[],
  signal: AbortSignal,
): Promise<Written> {
  const stream = makeReplyStream();
  const wait = { ms: 0 };
  const request = makeRequest(thought, prompt, candidates, stream, wait);
  try {
    const first = await model.generate(request, signal);
    if (first.kind === "blocked")
      return spoken(first, first.sentence, wait.ms, [`the model declined: ${first.reason}`]);
    const reply = parseReply(first.text);
    if (typeof reply !== "string") return { ...spoken(first, reply.text, wait.ms, cutNote(first)), reply };
    if (stream.text() !== "") return spoken(first, stream.text(), wait.ms, [`the reply was cut: ${reply}`]);
    return await repair(model, request, first, reply, wait, signal);
  } catch (error) {
    if (stream.text() === "" || !(error instanceof ForeseenError)) throw error;
    const text = `${stream.text()}…\n\n(My model broke off here. Ask me again and I will finish.)`;
    return { ...spoken(null, text, wait.ms, [`the stream broke off: ${error.code}`]), model: model.name };
  }
}

function makeRequest(
  thought: Thought,
  prompt: Prompt,
  candidates: readonly Agent[],
  stream: ReplyStream,
  wait: { ms: number },
): GenerateRequest {
  const { envelope, recalled, snapshot } = thought;
  const only = candidates.length === 1 ? candidates[0] : undefined;
  const displayNames = new Map(snapshot.agents.map((agent) => [agent.name, agent.displayName]));
  return {
    system: prompt.system,
    prompt: prompt.prompt,
    schema: prompt.schema,
    grounding: {
      agents: candidates.map(({ name, displayName, description }) => ({ name, displayName, description })),
      defaultAgent: (only ?? snapshot.defaultAgent).name,
      author: envelope.author.name,
      message: envelope.text,
      conversation: recalled.recent.map((line) => ({
        author: line.author,
        fromAgent: line.agent !== null,
        text: line.text,
      })),
      memories: recalled.recollections.filter((memory) => memory.agent === null),
    },
    maxOutputTokens: only?.budget.maxTokensPerTurn ?? only?.model.maxOutputTokens ?? defaultMaxOutputTokens,
    temperature: only?.model.temperature ?? null,
    model: only?.model.name ?? null,
    priority: thought.priority,
    onText: (delta) => {
      const next = stream.push(delta);
      const agent = displayNames.get(next.agent ?? "") ?? snapshot.defaultAgent.displayName;
      if (next.text !== "") thought.show({ kind: "text", agent, delta: next.text });
    },
    onWait: ({ waitMs, ahead }) => {
      wait.ms = Math.max(wait.ms, waitMs);
      thought.show({ kind: "waiting", waitMs, ahead });
    },
  };
}

async function repair(
  model: Model,
  request: GenerateRequest,
  first: GenerateOutcome & { kind: "text" },
  fault: string,
  wait: { ms: number },
  signal: AbortSignal,
): Promise<Written> {
  const prompt = `${request.prompt}\n\nYour last answer could not be read: ${fault}. Write the one JSON object again, complete and nothing else.`;
  const second = await model.generate({ ...request, prompt }, signal);
  const usage = addUsage(first.usage, second.usage);
  if (second.kind === "blocked")
    return { ...spoken(second, second.sentence, wait.ms, [`the model declined: ${second.reason}`]), usage };
  const reply = parseReply(second.text);
  if (typeof reply !== "string") return { ...spoken(second, reply.text, wait.ms, ["repaired once"]), usage, reply };
  const text =
    readable(second.text) ??
    readable(first.text) ??
    "I have an answer, but it came out garbled twice. Please ask me again.";
  return { ...spoken(second, text, wait.ms, [`malformed twice: ${fault}`]), usage };
}

/** Plain text is worth speaking as it is; the remains of JSON are not, except for the reply inside. */
function readable(raw: string): string | null {
  const text = raw.trim();
  if (!/^[{[`]/.test(text)) return text === "" ? null : text;
  const stream = makeReplyStream();
  stream.push(text);
  return stream.text().trim() || null;
}

function spoken(outcome: GenerateOutcome | null, text: string, waitedMs: number, notes: readonly string[]): Written {
  return { reply: null, text, model: outcome?.model ?? "", usage: outcome?.usage ?? noUsage, waitedMs, notes };
}

function cutNote(outcome: GenerateOutcome & { kind: "text" }): readonly string[] {
  return outcome.truncated ? ["the model stopped at its token limit"] : [];
}

function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
  };
}
