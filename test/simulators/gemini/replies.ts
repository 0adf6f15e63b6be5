import type { Behaviour } from "./behaviours.ts";

/** The parts of a request body that the simulator reads. */
export interface Body {
  readonly systemInstruction?: Content;
  readonly contents?: readonly Content[];
  readonly generationConfig?: { readonly responseSchema?: Schema; readonly maxOutputTokens?: number };
  readonly content?: Content;
  readonly outputDimensionality?: number;
  readonly requests?: readonly Body[];
}

interface Content {
  readonly parts?: readonly { readonly text?: string; readonly functionResponse?: unknown }[];
}

interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyOrdering?: readonly string[];
}

function contentsOf({ systemInstruction, content, contents = [] }: Body): readonly Content[] {
  return [systemInstruction, content, ...contents].filter((one) => one !== undefined);
}

export function textOf(body: Body): string {
  return contentsOf(body)
    .flatMap(({ parts = [] }) => parts)
    .map((part) => part.text ?? "")
    .join("\n");
}

/** What a request brings, each part by itself, as the API counts them. */
export function countInput(body: Body): number {
  return contentsOf(body)
    .flatMap(({ parts = [] }) => parts)
    .reduce((sum, part) => sum + countTokens(part.text ?? ""), 0);
}

export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** What the model writes: as scripted, or JSON that obeys the schema, or a sentence that quotes the end of the prompt. */
export function replyTo(body: Body, behaviour: Behaviour): string {
  const { reply, functionCall, finishReason } = behaviour;
  if (reply !== undefined) return typeof reply === "string" ? reply : JSON.stringify(reply);
  if (functionCall !== undefined && !bringsFunctionResponse(body)) return "";
  if (finishReason !== undefined && finishReason !== "STOP") return "";
  const text = `Simulated reply to: ${behaviour.quotes === undefined ? lastLine(body) : lastFound(body, behaviour.quotes)}`;
  const schema = body.generationConfig?.responseSchema;
  return schema === undefined ? text : JSON.stringify(obey(schema, text, lastLine(body)));
}

export function bringsFunctionResponse(body: Body): boolean {
  return (body.contents ?? []).some((content) => content.parts?.some((part) => part.functionResponse !== undefined));
}

/** The last line of the prompt that somebody wrote: not a fence, not a tag. */
function lastLine(body: Body): string {
  const lines = (body.contents ?? [])
    .flatMap((content) => content.parts ?? [])
    .flatMap((part) => (part.text ?? "").split("\n"))
    .map((line) => line.trim())
    .filter((line) => /[\p{L}\p{N}]/u.test(line) && !/^<.*>$|^[-=#~`]{3}/u.test(line));
  return (lines.at(-1) ?? "").slice(0, 200);
}

function lastFound(body: Body, pattern: string): string {
  const prompt = (body.contents ?? []).flatMap(({ parts = [] }) => parts.map((part) => part.text ?? "")).join("\n");
  return prompt.match(new RegExp(pattern, "gu"))?.at(-1) ?? "";
}

function obey(schema: Schema, text: string, hint: string): unknown {
  if (schema.enum !== undefined)
    return schema.enum.find((value) => hint.toLowerCase().includes(value)) ?? schema.enum[0];
  if (schema.type === "array") return [];
  if (schema.type === "boolean") return false;
  if (schema.type === "number" || schema.type === "integer") return 0;
  if (schema.type !== "object") return text;
  const properties = schema.properties ?? {};
  const names = schema.propertyOrdering ?? Object.keys(properties);
  const required = new Set(schema.required ?? names);
  const entries = names
    .filter((name) => required.has(name))
    .map((name) => [name, obey(properties[name] ?? {}, text, hint)]);
  return Object.fromEntries(entries);
}

/** The same text gives the same vector; not of unit length, as Gemini's shortened ones are not. */
export function embeddingOf(text: string, dimensions: number): number[] {
  const values = Array.from({ length: dimensions }, () => 0.001);
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    let hash = 7;
    for (const character of word) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
    values[hash % dimensions] = (values[hash % dimensions] ?? 0) + 1;
  }
  return values;
}
