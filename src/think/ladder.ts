import { asError, ForeseenError } from "../errors.ts";
import type { Recollection } from "../memory/recall.ts";
import { referenceOf } from "../inbox/turns.ts";
import type { Thinking, Thought } from "./graph.ts";
import { fallbackAgent } from "./supervisor.ts";

/** What to do instead when the model did not answer; one of these always happens, never nothing. */
export type Rung =
  /** An answer from memory alone, which says so. */
  | { readonly kind: "memory"; readonly thinking: Thinking; readonly reason: string }
  /** A promise to answer later; `sentence` is told to the person. */
  | {
      readonly kind: "defer";
      readonly afterMs: number;
      readonly fault: boolean;
      readonly sentence: string;
      readonly reason: string;
    }
  /** The end of the ladder. */
  | { readonly kind: "apologise"; readonly sentence: string; readonly reason: string };

/** After this many failed attempts (a model out of quota is none) nobody is kept waiting. */
const mostFaults = 3;
/** Nor after one failed attempt that took this long: a person has waited through it, and another would take as long again. */
const longAttemptMs = 60_000;
const longWaitMs = 5 * 60_000;

/** Chooses the rung for a failed attempt. Anything but a ForeseenError is a bug: retried, then apologised for. */
export function stepDown(
  error: unknown,
  thought: Thought,
  before: { readonly faults: number; readonly takenAt: Date },
): Rung {
  const faults = before.faults + 1;
  const reason = error instanceof ForeseenError ? `${error.code}: ${error.message}` : `bug: ${asError(error).name}`;
  const reference = referenceOf(thought.envelope.messageId);
  const disposition = error instanceof ForeseenError ? error.disposition : { kind: "retry" as const, afterMs: 0 };
  if (disposition.kind === "apologise") return { kind: "apologise", sentence: disposition.sentence, reason };
  if (disposition.kind === "retry") {
    const isWait = error instanceof ForeseenError && error.code === "model_quota";
    const afterMs = Math.max(disposition.afterMs, isWait ? 1_000 : 5_000 * faults);
    const hopeless = isWait
      ? afterMs > longWaitMs
      : faults >= mostFaults || Date.now() - before.takenAt.getTime() >= longAttemptMs;
    if (!hopeless) return defer(afterMs, isWait, reason);
    const remembered = fromMemory(thought, reason);
    if (remembered !== null) return { kind: "memory", thinking: remembered, reason };
    if (isWait) return defer(afterMs, isWait, reason);
  }
  return error instanceof ForeseenError
    ? {
        kind: "apologise",
        sentence: `I am sorry, I could not answer this: my model is not available. ${askLater(reference)}`,
        reason,
      }
    : { kind: "apologise", ...apologyFor({ envelope: thought.envelope }, asError(error)) };
}

/** What a person is told when an answer came to nothing. The words of an error nobody foresaw may hold anything: they stay in the log. */
export function apologyFor(
  { envelope }: Pick<Thought, "envelope">,
  error: Error,
): { sentence: string; reason: string } {
  const sentence = `I am sorry, something went wrong inside me. ${askLater(referenceOf(envelope.messageId))}`;
  const reason = error instanceof ForeseenError ? `${error.code}: ${error.message}` : `bug: ${error.name}`;
  return { sentence, reason };
}

function askLater(reference: string): string {
  return `Please ask again later (reference ${reference}).`;
}

function defer(afterMs: number, isWait: boolean, reason: string): Rung {
  const why = isWait ? "I have used up what I may ask my model for now." : "My model did not answer.";
  return {
    kind: "defer",
    afterMs,
    fault: !isWait,
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
  return {
    text: `My model is not available right now, so this is only what I remember:\n${said.map(quote).join("\n")}`,
    agent: thought.routed.agent ?? fallbackAgent(thought),
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
