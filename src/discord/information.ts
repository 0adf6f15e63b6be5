import type { RecalledMemory } from "../chat/chat.ts";
import type { Desk, Place, ShownReceipt, Which } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import { flat } from "./clean.ts";
import { whyMenu } from "./commands.ts";
import type { Asking } from "./interaction.ts";
import { phrase, type Locale } from "./phrases.ts";
import { homeOf, type Places, type Where } from "./places.ts";
import { readerOf } from "./reader.ts";
import type { Shown } from "./replies.ts";
import { answeredBy } from "./spoken.ts";

/** Does what a command or a button asks for, and resolves to what is shown for it. Done twice it does no more than once. */
export type Deed = (asking: Asking, where: () => Promise<Where>, signal: AbortSignal) => Promise<Shown>;

const mostMemories = 10;
const memoryChars = 140;
const messageIdIn = /(?:^|\/)(\d{15,19})[\s>]*$/;

/** Does something with the message that a command names by its link or its id; null: it names none, and the last one is meant. */
export function forMessage(
  deed: (asking: Asking, messageId: Snowflake | null, signal: AbortSignal) => Promise<Shown>,
): Deed {
  return async (asking, _where, signal) => {
    const named = asking.options["message"] ?? "";
    const id = messageIdIn.exec(named)?.[1];
    if (named === "") return deed(asking, null, signal);
    if (id === undefined || BigInt(id) >= 2n ** 63n) return { text: phrase(asking.locale, "error.no-message") };
    return deed(asking, id, signal);
  };
}

interface InformationOptions {
  readonly desk: Desk;
  readonly sql: Sql;
  readonly places: Places;
}

/** What everyone may ask about the bot: who is there, how it is, why it answered so, and what it remembers of them. */
export function makeInformation(options: InformationOptions): Readonly<Record<string, Deed>> {
  const { desk, places } = options;
  const memories: Deed = async (asking, where, signal) => {
    const { locale, options: given } = asking;
    const words = given["words"] ?? null;
    const found = await desk.ownMemories(await placeOf(asking, await where(), places), words, mostMemories, signal);
    if (found.length === 0) return { text: phrase(locale, words === null ? "memory.empty" : "memory.none-found") };
    return { text: [phrase(locale, "memory.header"), ...found.map(memoryLine)].join("\n") };
  };
  return {
    agents: async ({ locale }) => {
      const lines = desk.agents().map(({ displayName, description, isDefault }) => {
        const note = isDefault ? ` _(${phrase(locale, "agents.default")})_` : "";
        return `**${flat(displayName)}**${note} — ${flat(description, 300)}`;
      });
      return { text: [phrase(locale, "agents.header"), ...lines].join("\n") };
    },
    status: async ({ locale }, _where, signal) => {
      const { waiting, model } = await desk.health(signal);
      const agents = desk
        .agents()
        .map(({ displayName }) => displayName)
        .join(", ");
      return {
        text: phrase(locale, "status.people", { agents, model: phrase(locale, `status.model-${model}`), waiting }),
      };
    },
    "memory show": memories,
    "memory search": memories,
    why: forMessage((asking, messageId, signal) => why(options, asking, messageId, signal)),
    [whyMenu]: (asking, _where, signal) => why(options, asking, asking.target, signal),
  };
}

/** How an answer came about, for the eyes of whoever asks; null: the last one where they ask. */
export async function why(
  { desk, sql, places }: InformationOptions,
  asking: Asking,
  messageId: Snowflake | null,
  signal: AbortSignal,
): Promise<Shown> {
  const { locale } = asking;
  const which: Which =
    messageId === null
      ? { kind: "last", conversationId: asking.channelId }
      : { kind: "message", messageId: (await answeredBy(sql, messageId)) ?? messageId };
  const found = await desk.receipt(which, readerOf(asking, places), signal);
  if (found === null) return { text: phrase(locale, "why.none") };
  if (found === "forbidden") return { text: phrase(locale, "why.not-allowed") };
  return { text: receiptLines(found, locale).join("\n") };
}

function receiptLines({ receipt, hidden }: ShownReceipt, locale: Locale): string[] {
  const { agentDisplayName: agent, reason, model, tokens, stageMs, memories, notes } = receipt;
  const ms = Object.values(stageMs).reduce((sum, one) => sum + one, 0);
  const used = { input: tokens.inputTokens, output: tokens.outputTokens, seconds: Math.round(ms / 100) / 10 };
  return [
    phrase(locale, "why.agent", { agent, reason: flat(reason, 300) }),
    phrase(locale, "why.details", { model, ...used }),
    phrase(locale, "why.memories", { count: memories.length }),
    ...memories.map(memoryLine),
    ...(hidden === 0 ? [] : [phrase(locale, "why.hidden", { count: hidden })]),
    ...notes.map((note) => `_${flat(note, 200)}_`),
  ];
}

function memoryLine({ text, author, createdAt, source }: RecalledMemory): string {
  const [channel = ""] = source.split(" · ");
  const day = `<t:${Math.floor(createdAt.getTime() / 1000)}:d>`;
  const whole = flat(text, Number.MAX_SAFE_INTEGER);
  const words = whole.length <= memoryChars ? whole : `${flat(whole, memoryChars)} …`;
  return `- ${day} ${flat(channel)} **${flat(author ?? "")}:** ${words}`;
}

/** Where somebody asks from, and what everyone who reads there may read. */
async function placeOf({ asker }: Asking, where: Where, places: Places): Promise<Place> {
  const { guildId, channelId: conversationId } = where;
  const alsoReadable = guildId === null ? [] : await places.readableFrom(guildId, conversationId);
  return { guildId, channelId: homeOf(where).channelId, conversationId, authorId: asker.id, alsoReadable };
}
