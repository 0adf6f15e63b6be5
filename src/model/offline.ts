import { modelDeadline } from "./failures.ts";
import { hashEmbed, hashingEmbedder } from "./hashing-embedder.ts";
import type { GenerateRequest, Grounding, Model } from "./model.ts";

type Agent = Grounding["agents"][number];

/** A sentence somebody said, with where it can be quoted from. */
interface Quotable {
  readonly text: string;
  readonly author: string | null;
  readonly createdAt: Date | null;
}

/**
 * Answers without any service: deterministic, by quoting what is remembered, and saying that it is offline. For trying
 * things out and for tests; it understands nothing, it compares words.
 */
export function makeOffline(): Model {
  return {
    name: "offline",
    offline: true,
    embedder: hashingEmbedder,
    async generate(request, signal) {
      if (signal.aborted) throw modelDeadline();
      const agent = chooseAgent(request.grounding);
      const reply = `${answer(request.grounding, agent)} (I am offline: I only quote what I remember.)`;
      const text = request.schema === null ? reply : JSON.stringify(fill(request.schema, agent.name, reply));
      for (const word of text.split(/(?<=\s)/u)) {
        if (signal.aborted) throw modelDeadline();
        request.onText?.(word);
      }
      const usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
      return { kind: "text", text, truncated: false, model: "offline", usage };
    },
    async embed(request, signal) {
      if (signal.aborted) throw modelDeadline();
      return request.texts.map(hashEmbed);
    },
  };
}

/** The agent whose description shares most words with the message; the default agent when none shares any. */
function chooseAgent({ agents, defaultAgent, message }: Grounding): Agent {
  const words = contentWords(message);
  const fallback = agents.find((agent) => agent.name === defaultAgent) ??
    agents[0] ?? { name: defaultAgent, displayName: defaultAgent, description: "" };
  let best = { agent: fallback, shared: 0 };
  for (const agent of agents) {
    const shared = overlap(words, contentWords(`${agent.name} ${agent.displayName} ${agent.description}`));
    if (shared > best.shared) best = { agent, shared };
  }
  return best.agent;
}

function answer(grounding: Grounding, agent: Agent): string {
  const message = grounding.message.trim();
  if (asksWho.test(message)) return `I am ${agent.displayName}. ${sentence(agent.description)}`;
  if (greets.test(message)) return `Hello, this is ${agent.displayName}.`;
  if (!isQuestion(message)) return "I will remember that.";
  const quotes = findQuotes(grounding);
  if (quotes.length === 0) return "I remember nothing about that.";
  return quotes.map((quote) => cite(quote, grounding.author)).join(" ");
}

/** What people stated, now or earlier, that shares words with the question: the best, and others nearly as good. */
function findQuotes({ message, memories, conversation }: Grounding): readonly Quotable[] {
  const words = contentWords(message);
  const said = conversation.filter((line) => !line.fromAgent).map((line) => ({ ...line, createdAt: null }));
  const found = new Map<string, { readonly quote: Quotable; readonly shared: number }>();
  for (const quote of [...memories, ...said]) {
    const key = quote.text.trim();
    const shared = overlap(words, contentWords(key));
    if (shared > 0 && !isQuestion(key) && !found.has(key)) found.set(key, { quote, shared });
  }
  // The sort is stable: of two that share as much, the one recall ranked first stays first.
  const ranked = [...found.values()].toSorted((one, other) => other.shared - one.shared);
  const best = ranked[0]?.shared ?? 0;
  return ranked
    .filter(({ shared }) => shared > best / 2)
    .slice(0, 2)
    .map(({ quote }) => quote);
}

function cite({ text, author, createdAt }: Quotable, asker: string): string {
  const who = author === null ? "It was said" : author === asker ? "You told me" : `${author} said`;
  const when = createdAt === null ? "in this conversation" : `on ${date.format(createdAt)}`;
  const characters = Array.from(text.trim().replaceAll(/\s+/gu, " "));
  const quote = characters.length > 400 ? `${characters.slice(0, 400).join("")} …` : characters.join("");
  return `${who} ${when}: “${quote}”`;
}

const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** Nothing but a greeting. */
const greets = /^\W*(hi|hello|hey|good (morning|afternoon|evening)|こんにちは|おはよう\S*|こんばんは)[\s\p{P}]*$/iu;

const asksWho = /\b(who|what) (are|r) (you|u)\b|\bwho you are\b|\bintroduce yourself\b|あなたは(誰|だれ)|自己紹介/iu;

/** By its mark, its first word, or what a language without marks ends or asks with; good enough for not quoting questions. */
function isQuestion(text: string): boolean {
  return /[?？؟]\s*$/u.test(text) || opensQuestion.test(text) || asksWithoutMark.test(text);
}

const opensQuestion =
  /^\W*((what|who|where|when|why|how)('?s)?|whom|whose|which|is|are|am|was|were|do|does|did|can|could|will|would|should|tell (me|us)|remind (me|us))\b/iu;
const asksWithoutMark = /(ですか|ますか|かな|教えて|[吗呢])[。！!]*$|何|なに|什么|谁|哪|อะไร|ใคร|ที่ไหน|เมื่อไ|ไหม/u;

const functionWords = new Set(
  `a about all also am an and any are as at be been but by can could did do does for from get had has have he her him his how i if in is it
   its just know let like me my no not now of on or our please remember remind say she should so some tell than that the their them then there
   these they this to too up us was we were what when where which who whom whose why will with would you your`.split(
    /\s+/u,
  ),
);

/** The words that carry meaning, in one form; pairs of characters where the script has no spaces between words. */
function contentWords(text: string): ReadonlySet<string> {
  const words = new Set<string>();
  for (const [run] of text
    .normalize("NFKC")
    .toLowerCase()
    .matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    if (unspaced.test(run)) {
      const characters = Array.from(run);
      const pairs = characters.slice(1).map((character, index) => `${characters[index] ?? ""}${character}`);
      // Two hiragana are grammar far more often than meaning.
      pairs.filter((pair) => !/^\p{Script=Hiragana}+$/u.test(pair)).forEach((pair) => words.add(pair));
    } else if (!functionWords.has(run)) {
      words.add(run.length > 3 ? run.replace(/(ies|es|s|ed|ing|e)$/u, "") : run);
    }
  }
  return words;
}

const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

function overlap(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  return [...one].filter((word) => other.has(word)).length;
}

function sentence(text: string): string {
  const trimmed = text.trim().replaceAll(/\s+/gu, " ");
  return /[.!?。！？]$/u.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** The smallest value that satisfies an object schema and carries the reply; what is optional is left out. */
function fill(schema: GenerateRequest["schema"] & {}, agent: string, reply: string): Record<string, unknown> {
  const properties = asRecord(schema["properties"]);
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  const names = Array.isArray(schema["propertyOrdering"])
    ? schema["propertyOrdering"].map(String)
    : Object.keys(properties);
  const isPlainText = (name: string) =>
    asRecord(properties[name])["type"] === "string" && asRecord(properties[name])["enum"] === undefined;
  const replyName = ["reply", "text", "answer"].find(isPlainText) ?? names.find(isPlainText);
  const entries = names.flatMap((name): [string, unknown][] => {
    if (name === replyName) return [[name, reply]];
    if (name === "agent") return [[name, oneOf(asRecord(properties[name]), agent)]];
    return required.has(name) ? [[name, least(asRecord(properties[name]))]] : [];
  });
  return Object.fromEntries(entries);
}

function oneOf(schema: Record<string, unknown>, wanted: string): unknown {
  const values: readonly unknown[] = Array.isArray(schema["enum"]) ? schema["enum"] : [wanted];
  return values.includes(wanted) ? wanted : values[0];
}

function least(schema: Record<string, unknown>): unknown {
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  if (schema["type"] === "object") return fill(schema, "", "");
  if (schema["type"] === "array") return [];
  if (schema["type"] === "boolean") return false;
  if (schema["type"] === "number" || schema["type"] === "integer") return 0;
  return Array.isArray(schema["type"]) && schema["type"].includes("null") ? null : "";
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
