import * as z from "zod";
import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { ForeseenError } from "../errors.ts";
import { DiscordRefused } from "./rest.ts";
import { notedAmong, type SpokenPart } from "./spoken.ts";
import type { Voice } from "./voices.ts";

/** How far behind a message its answer is looked for. */
const historyLimit = 100;
const notReadable = new Set([10_003, 50_001, 50_013]);

const history = z.array(
  z.object({
    id: z.string(),
    content: z.string(),
    author: z.object({ id: z.string() }),
    message_reference: z.object({ message_id: z.string().optional() }).optional(),
  }),
);

/**
 * What we have said in answer to a message without living to note it, as the channel itself shows it: the first part, by whichever voice, by what it
 * replies to or, through a webhook, links to; the others by their `texts`. Nothing where the voice may not read, and for slash commands, whose answer has a place of its own.
 */
export async function findSpoken(
  options: {
    readonly sql: Sql;
    readonly voice: Voice;
    readonly all: readonly Voice[];
    readonly texts: readonly string[];
  },
  envelope: Pick<Envelope, "messageId" | "conversationId" | "interactionToken">,
  signal: AbortSignal,
): Promise<SpokenPart[]> {
  const { sql, voice, all, texts } = options;
  const { messageId, conversationId: channelId } = envelope;
  if (envelope.interactionToken) return [];
  const found = history.safeParse(await readAfter(voice, channelId, messageId, signal));
  if (!found.success)
    throw new ForeseenError("discord_unavailable", "Discord's history could not be read", {
      kind: "retry",
      afterMs: 5_000,
    });
  const own = found.data
    .filter(({ author }) => all.some(({ userId }) => userId === author.id))
    .sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  const throughWebhook = new Set(all.flatMap(({ userId, webhook }) => (webhook === null ? [] : [userId])));
  const isFirst = ({ author, content, message_reference: reference }: (typeof own)[number]) =>
    reference?.message_id === messageId ||
    (throughWebhook.has(author.id) && content.split("\n", 1)[0]?.endsWith(`/${messageId})`));
  const firsts = own.filter(isFirst).map((one) => ({ part: 0, spokenId: one.id, voiceId: one.author.id }));
  const noted = await notedAmong(
    sql,
    own.map(({ id }) => id),
  );
  const others = own.filter((one) => !isFirst(one) && one.author.id === voice.userId && !noted.has(one.id));
  const rest = texts.slice(1).flatMap((text, index) => {
    const one = others.find(({ content }) => content.trim() === text.trim());
    return one === undefined ? [] : [{ part: index + 1, spokenId: one.id, voiceId: voice.userId }];
  });
  return [...firsts, ...rest].map((part) => ({ ...part, channelId }));
}

async function readAfter(voice: Voice, channelId: Snowflake, after: Snowflake, signal: AbortSignal): Promise<unknown> {
  const query = { after, limit: String(historyLimit) };
  const request = { method: "GET", path: `/channels/${channelId}/messages`, query, repeatable: true } as const;
  try {
    return await voice.rest.call<unknown>(request, signal);
  } catch (error) {
    if (error instanceof DiscordRefused && notReadable.has(error.reason)) return [];
    throw error;
  }
}
