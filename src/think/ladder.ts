import { ForeseenError } from "../errors.ts";
import type { Recollection } from "../memory/recall.ts";
import type { Thinking, Thought } from "./graph.ts";

/** What to do instead when the model did not answer; one of these always happens, never nothing. */
export type Rung =
  /** An answer from memory alone, which says so. */
  | { readonly kind: "memory"; readonly thinking: Thinking }
  /** A promise to answer later; `sentence` is told to the person. */
  | { readonly kind: "defer"; readonly afterMs: number; readonly sentence: string; readonly reason: string }
  /** The end of the ladder. */
  | { readonly kind: "apologise"; readonly sentence: string; readonly reason: string };

/** After this many attempts at a model that fails (not one that is merely out of quota) nobody is kept waiting. */
const attemptsAtFaults = 3;
const longWaitMs = 5 * 60_000;

/** Chooses the rung for a failed attempt. Anything but a ForeseenError is a bug: retried, then apologised for. */
export function stepDown(error: unknown, thought: Thought, attempts: number): Rung {
  const reason = error instanceof ForeseenError ? `${error.code}: ${error.message}` : `bug: ${String(error)}`;
  const reference = referenceOf(thought.envelope.messageId);
  const disposition = error instanceof ForeseenError ? error.disposition : { kind: "retry" as const, afterMs: 0 };
  if (disposition.kind === "apologise") return { kind: "apologise", sentence: disposition.sentence, reason };
  if (disposition.kind === "retry") {
    const isWait = error instanceof ForeseenError && error.code === "model_quota";
    const afterMs = Math.max(disposition.afterMs, isWait ? 1_000 : 5_000 * attempts);
    const hopeless = isWait ? afterMs > longWaitMs : attempts >= attemptsAtFaults;
    if (!hopeless) return defer(afterMs, isWait, reason);
    const remembered = fromMemory(thought, reason);
    if (remembered !== null) return { kind: "memory", thinking: remembered };
    if (isWait) return defer(afterMs, isWait, reason);
  }
  const sentence = `I am sorry, I could not answer this: my model is not available. Please ask again later (reference ${reference}).`;
  return { kind: "apologise", sentence, reason };
}

function defer(afterMs: number, isWait: boolean, reason: string): Rung {
  const why = isWait ? "I have used up what I may ask my model for now." : "My model did not answer.";
  return {
    kind: "defer",
    afterMs,
    reason,
    sentence: `${why} Your message is kept; I will answer it in ${aboutTime(afterMs)}.`,
  };
}

/** "about 40 s", "about 3 min", "about 5 h". */
function aboutTime(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 90) return `about ${seconds} s`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

function fromMemory(thought: Thought, reason: string): Thinking | null {
  const isQuestion = /[?？؟]/.test(thought.envelope.text);
  const said = thought.recalled.recollections.filter((memory) => memory.agent === null).slice(0, 3);
  if (!isQuestion || said.length === 0) return null;
  const { snapshot } = thought;
  return {
    text: `My model is not available right now, so this is only what I remember:\n${said.map(quote).join("\n")}`,
    agent: thought.routed.agent ?? snapshot.defaultAgent,
    chosenBy: "fallback",
    reason: "the model was not available, so memory answers",
    model: "memory",
    promptRevision: "",
    tokens: { inputTokens: 0, outputTokens: 0, cachedTokens: 0 },
    waitedMs: 0,
    notes: [reason],
  };
}

function quote(memory: Recollection): string {
  return `- ${memory.author}, ${memory.createdAt.toISOString().slice(0, 10)}: ${memory.text}`;
}

/** The short reference that an apology gives, and under which the turn is found in `/status` and the log. */
export function referenceOf(messageId: string): string {
  return BigInt(messageId).toString(36).slice(-7);
}
