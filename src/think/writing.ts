import { scopeOf, subjectOf } from "../envelope.ts";
import { ForeseenError } from "../errors.ts";
import type { Recalled } from "../memory/memory.ts";
import { estimateTokens } from "../model/governor.ts";
import type { GenerateOutcome, GenerateRequest, Model, Usage } from "../model/model.ts";
import type { Agent } from "../settings/settings.ts";
import type { Thought } from "./graph.ts";
import { makeInstructionGuard, withheld } from "./instructions.ts";
import type { Prompt } from "./prompt.ts";
import {
  cleanText,
  makeReplyStream,
  parseReply,
  type MayHandOver,
  type ParsedReply,
  type ReplyStream,
} from "./reply.ts";

/** No tokens at all. */
export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
const defaultMaxOutputTokens = 2_048;
const leastOutputTokens = 64;

/** What one call (and its repair) brought. */
export interface Written {
  /** Null when the model never wrote a well-formed reply. */
  readonly reply: ParsedReply | null;
  readonly text: string;
  readonly model: string;
  readonly usage: Usage;
  readonly waitedMs: number;
  readonly notes: readonly string[];
}

/** What one call to the model starts from. */
export interface Brief {
  readonly thought: Thought;
  readonly prompt: Prompt;
  /** Who may answer. */
  readonly candidates: readonly Agent[];
  /** What these may know of what was recalled. */
  readonly recalled: Recalled;
  readonly fallback: Agent;
  readonly mayHandOver: MayHandOver;
}

/** Lets the model write one reply, with one repair try; throws only when there is not even the beginning of one. Instructions are never repeated. */
export async function write(model: Model, brief: Brief, signal: AbortSignal): Promise<Written> {
  const isSecret = makeInstructionGuard(brief.prompt.system);
  const written = await writeOnce(model, brief, isSecret, signal);
  if (!isSecret(written.text)) return written;
  const notes = [...written.notes, "the reply repeated the agents' instructions and was withheld"];
  return { ...written, reply: written.reply && { ...written.reply, text: withheld }, text: withheld, notes };
}

async function writeOnce(
  model: Model,
  brief: Brief,
  isSecret: (text: string) => boolean,
  signal: AbortSignal,
): Promise<Written> {
  const heard = { stream: makeReplyStream(), partial: "" };
  const wait = { ms: 0 };
  const request = makeRequest(brief, heard, isSecret, wait);
  try {
    const first = await model.generate(request, signal);
    if (first.kind === "blocked")
      return spoken(first, first.sentence, wait.ms, [`the model declined: ${first.reason}`]);
    const reply = parseReply(first.text, brief.mayHandOver);
    if (typeof reply !== "string") return { ...spoken(first, reply.text, wait.ms, cutNote(first)), reply };
    const soFar = heard.stream.text();
    if (cleanText(soFar) !== "") return spoken(first, soFar, wait.ms, [`the reply was cut: ${reply}`]);
    return await repair(model, brief, request, { outcome: first, fault: reply }, wait, signal);
  } catch (error) {
    const partial = cleanText(heard.stream.text()) || heard.partial;
    if (partial === "" || !(error instanceof ForeseenError)) throw error;
    const text = `${partial}…\n\n(My model broke off here. Ask me again and I will finish.)`;
    return { ...spoken(null, text, wait.ms, [`the stream broke off: ${error.code}`]), model: model.name };
  }
}

/** What has come so far of this try, and what the last one that brought words had brought. */
interface Heard {
  stream: ReplyStream;
  partial: string;
}

function makeRequest(
  { thought, prompt, candidates, recalled, fallback }: Brief,
  heard: Heard,
  isSecret: (text: string) => boolean,
  wait: { ms: number },
): GenerateRequest {
  const { envelope, snapshot } = thought;
  const only = candidates.length === 1 ? candidates[0] : undefined;
  const names = new Set(snapshot.agents.map(({ name }) => name));
  return {
    system: prompt.system,
    prompt: prompt.prompt,
    images: thought.attached.filter((one) => one.kind === "image"),
    schema: prompt.schema,
    grounding: {
      agents: candidates.map(({ name, displayName, description }) => ({ name, displayName, description })),
      defaultAgent: fallback.name,
      author: envelope.author.name,
      message: subjectOf(envelope),
      conversation: recalled.recent.map(({ author, agent, text }) => ({ author, fromAgent: agent !== null, text })),
      memories: recalled.recollections.filter((memory) => memory.agent === null),
    },
    maxOutputTokens: outputTokens(only, prompt),
    temperature: only?.model.temperature ?? null,
    model: only?.model.name ?? null,
    priority: thought.priority,
    scope: scopeOf(envelope),
    onText: (delta) => {
      const next = heard.stream.push(delta);
      const agent = names.has(next.agent ?? "") ? (next.agent ?? "") : fallback.name;
      if (next.text !== "" && !isSecret(heard.stream.text())) thought.show({ kind: "text", agent, delta: next.text });
    },
    onRestart: () => {
      heard.partial = cleanText(heard.stream.text()) || heard.partial;
      heard.stream = makeReplyStream();
      thought.show({ kind: "thinking" });
    },
    onWait: ({ waitMs, ahead }) => {
      wait.ms = Math.max(wait.ms, waitMs);
      thought.show({ kind: "waiting", waitMs, ahead });
    },
  };
}

/** An agent's budget for a turn covers the prompt too; a prompt that fills it leaves enough for a sentence. */
function outputTokens(only: Agent | undefined, prompt: Prompt): number {
  const most = only?.model.maxOutputTokens ?? defaultMaxOutputTokens;
  const budget = only?.budget.maxTokensPerTurn ?? null;
  if (budget === null) return most;
  return Math.max(leastOutputTokens, Math.min(most, budget - estimateTokens(prompt.system + prompt.prompt)));
}

async function repair(
  model: Model,
  brief: Brief,
  request: GenerateRequest,
  first: { outcome: GenerateOutcome & { kind: "text" }; fault: string },
  wait: { ms: number },
  signal: AbortSignal,
): Promise<Written> {
  const prompt = `${request.prompt}\n\nYour last answer could not be read: ${first.fault}. Write the one JSON object again, complete and nothing else.`;
  request.onRestart?.();
  const second = await model.generate({ ...request, prompt }, signal);
  const usage = addUsage(first.outcome.usage, second.usage);
  if (second.kind === "blocked")
    return { ...spoken(second, second.sentence, wait.ms, [`the model declined: ${second.reason}`]), usage };
  const reply = parseReply(second.text, brief.mayHandOver);
  if (typeof reply !== "string") return { ...spoken(second, reply.text, wait.ms, ["repaired once"]), usage, reply };
  const text =
    readable(second.text) ??
    readable(first.outcome.text) ??
    "I have an answer, but it came out garbled twice. Please ask me again.";
  return { ...spoken(second, text, wait.ms, [`malformed twice: ${first.fault}`]), usage };
}

/** Plain text is worth speaking as it is; the remains of JSON are not, except for the reply inside. */
function readable(raw: string): string | null {
  const text = cleanText(raw);
  if (!/^[{[`]/.test(text)) return text === "" ? null : text;
  const stream = makeReplyStream();
  stream.push(text);
  return cleanText(stream.text()) || null;
}

function spoken(outcome: GenerateOutcome | null, text: string, waitedMs: number, notes: readonly string[]): Written {
  return {
    reply: null,
    text: cleanText(text),
    model: outcome?.model ?? "",
    usage: outcome?.usage ?? noUsage,
    waitedMs,
    notes,
  };
}

function cutNote(outcome: GenerateOutcome & { kind: "text" }): readonly string[] {
  return outcome.truncated ? ["the model stopped at its token limit"] : [];
}

/** The sum of two calls. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
  };
}
