import type { GenerateOutcome, Usage } from "./model.ts";

/**
 * Rewrites a stream of server-sent events into the only form the SDK's parser reads: `data: ` and one line of JSON.
 * Comments, other fields, several lines of data and any line ending are legal and would make it fail or fall silent. An
 * event that was cut off is dropped, so that the missing end is noticed.
 */
export function plainEvents(): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  let data: string[] = [];
  const take = (line: string): string => {
    if (line.startsWith("data:")) data.push(line.slice(5).trim());
    if (line !== "" || data.length === 0) return "";
    const event = `data: ${data.join(" ")}\n\n`;
    data = [];
    return event;
  };
  return new TransformStream({
    transform(chunk, controller) {
      rest += decoder.decode(chunk, { stream: true });
      // A carriage return at the end may be the first half of a line ending.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      const events = lines.map(take).join("");
      if (events !== "") controller.enqueue(encoder.encode(events));
    },
    flush(controller) {
      take(rest.trimEnd());
      const last = data.join(" ");
      if (isJson(last)) controller.enqueue(encoder.encode(`data: ${last}\n\n`));
    },
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The keywords of JSON Schema that Gemini's `responseSchema` knows too; any other makes it refuse the request. */
const kept = [
  "description",
  "enum",
  "required",
  "propertyOrdering",
  "minItems",
  "maxItems",
  "minimum",
  "maximum",
  "nullable",
  "format",
];

/** JSON Schema as Gemini's `responseSchema`, an older dialect: one type each, `nullable` instead of a null type. */
export function toResponseSchema(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const keyword of kept) if (schema[keyword] !== undefined) result[keyword] = schema[keyword];
  const types = [schema["type"] ?? "string"].flat();
  result["type"] = types.find((type) => type !== "null");
  if (types.includes("null")) result["nullable"] = true;
  if (schema["const"] !== undefined) result["enum"] = [schema["const"]];
  if (result["enum"] !== undefined) result["format"] = "enum";
  if (isSchema(schema["items"])) result["items"] = toResponseSchema(schema["items"]);
  if (isSchema(schema["properties"])) {
    const entries = Object.entries(schema["properties"]).filter((entry): entry is [string, Record<string, unknown>] =>
      isSchema(entry[1]),
    );
    result["properties"] = Object.fromEntries(entries.map(([name, property]) => [name, toResponseSchema(property)]));
  }
  return result;
}

function isSchema(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Why a model wrote nothing, or must not be quoted, in words for the person who asked. */
const sentences: Readonly<Record<string, string>> = {
  SAFETY: "The model's safety filter stopped this answer. Asking in other words may help.",
  PROHIBITED_CONTENT: "The model refuses to write about this: its provider prohibits it.",
  BLOCKLIST: "The model's provider has a word in this on its blocklist, so it gave no answer.",
  SPII: "The model stopped because the answer would have held sensitive personal data.",
  RECITATION: "The model stopped because it would have quoted a protected text. Ask for a summary in its own words.",
  LANGUAGE: "The model cannot answer in this language.",
  IMAGE_SAFETY: "The model's safety filter stopped an image in this answer.",
  MALFORMED_FUNCTION_CALL: "The model got its own tools wrong and wrote no answer. Asking again may help.",
  UNEXPECTED_TOOL_CALL: "The model reached for a tool it does not have and wrote no answer. Asking again may help.",
  MAX_TOKENS: "The model used up the length of its answer before it had written a word. A shorter question may help.",
  OTHER: "The model stopped without saying why. Asking again in other words may help.",
  EMPTY: "The model answered with nothing. Asking again may help.",
};

/** Turns what a model wrote and why it stopped into an outcome; both are as the provider gave them. */
export function outcomeOf(text: string, reason: string, model: string, usage: Usage): GenerateOutcome {
  const empty = text.trim() === "";
  if (!empty && (reason === "STOP" || reason === "MAX_TOKENS")) {
    return { kind: "text", text, truncated: reason === "MAX_TOKENS", model, usage };
  }
  const known = empty && reason === "STOP" ? "EMPTY" : reason;
  const sentence = sentences[known] ?? "The model stopped without an answer. Asking again in other words may help.";
  return { kind: "blocked", reason: known, sentence, model, usage };
}
