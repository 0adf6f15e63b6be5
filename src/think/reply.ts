import * as z from "zod";

/** The structured answer of a model. */
export interface ParsedReply {
  readonly agent: string;
  readonly handoff: string | null;
  readonly text: string;
}

const shape = z.object({
  agent: z.string(),
  handoff: z
    .string()
    .nullish()
    .transform((name) => name || null),
  reply: z.string().transform(cleanText),
});

/** Says whether an agent may pass the message on to another. */
export type MayHandOver = (agent: string, to: string) => boolean;

/**
 * Reads a model's answer; a string says what is wrong with it. A hand-off that is not allowed counts for nothing, and only one that is
 * needs no text.
 */
export function parseReply(raw: string, mayHandOver: MayHandOver): ParsedReply | string {
  let value: unknown;
  try {
    value = JSON.parse(raw.replace(/^\s*```(?:json)?\s*|\s*```\s*$/g, ""));
  } catch {
    return "it is not one complete JSON object";
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) return z.prettifyError(parsed.error);
  const { agent, reply: text } = parsed.data;
  const handoff = parsed.data.handoff !== null && mayHandOver(agent, parsed.data.handoff) ? parsed.data.handoff : null;
  if (text === "" && handoff === null) return '"reply" is empty';
  return { agent, handoff, text };
}

/** Text that Postgres and every chat can take: well-formed Unicode without NUL, trimmed. */
export function cleanText(text: string): string {
  return text.replaceAll("\0", "").toWellFormed().trim();
}

/** Reads the text of a reply out of JSON that is still being written. */
export interface ReplyStream {
  /** Takes what the model wrote next; returns what that adds to the reply's text. */
  push(delta: string): { agent: string | null; text: string };
  /** All text so far. */
  text(): string;
}

/** Makes a reader for one structured answer; it stays silent while a hand-off is announced. */
export function makeReplyStream(): ReplyStream {
  let raw = "";
  let shown = "";
  return {
    push: (delta) => {
      raw += delta;
      const agent = /"agent"\s*:\s*"([^"\\]*)"/.exec(raw)?.[1] ?? null;
      const start = /"reply"\s*:\s*"/.exec(raw);
      const handsOver = /"handoff"\s*:\s*"[^"]/.test(start === null ? raw : raw.slice(0, start.index));
      if (start === null || handsOver) return { agent, text: "" };
      const whole = decodePrefix(raw.slice(start.index + start[0].length));
      const text = whole.slice(shown.length);
      shown = whole;
      return { agent, text };
    },
    text: () => shown,
  };
}

/** Decodes a JSON string that may end anywhere, even inside an escape or between the halves of a surrogate pair. */
function decodePrefix(json: string): string {
  const closed = /^(?:[^"\\]|\\.)*/s.exec(json)?.[0] ?? "";
  const whole = closed
    .replace(/\\(?:u[0-9a-fA-F]{0,3})?$/, "")
    .replaceAll(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1));
  try {
    return (JSON.parse(`"${whole}"`) as string).replace(/[\ud800-\udbff]$/, "");
  } catch {
    return "";
  }
}
