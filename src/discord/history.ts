import * as z from "zod";
import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { ForeseenError } from "../errors.ts";
import { DiscordRefused } from "./failures.ts";
import { notedAmong, type SpokenPart } from "./spoken.ts";
import type { Voice } from "./voices.ts";

/** What Discord lists at once. An answer is looked for among so many messages behind the one it answers, and among so many of the newest. */
const pageLimit = 100;
const notReadable = new Set([10_003, 50_001, 50_013]);

const history = z.array(
  z.object({
    id: z.string(),
    content: z.string(),
    author: z.object({ id: z.string() }),
    message_reference: z.object({ message_id: z.string().optional() }).optional(),
    flags: z.number().optional(),
    /** Of the answer to a slash command: which one, and for a follow-up also the first response to it. */
    interaction_metadata: z.object({ id: z.string(), original_response_message_id: z.string().optional() }).nullish(),
  }),
);
type Said = z.infer<typeof history>[number];

/** Still "is thinking…": nothing was said there yet. */
const isLoading = ({ flags = 0 }: Said) => (flags & 128) !== 0;

/**
 * What we have said in answer to a message without living to note it, as the channel itself shows it: the first part, by whichever voice, by what it
 * replies to or, through a webhook, links to, or by the slash command that it is the first response to; the others by their `texts`. Nothing where the
 * voice may not read.
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
  const { messageId, conversationId: channelId, interactionToken } = envelope;
  const own = (await readSince(voice, channelId, messageId, signal))
    .filter((one) => all.some(({ userId }) => userId === one.author.id) && !isLoading(one))
    .sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  const throughWebhook = new Set(all.flatMap(({ userId, webhook }) => (webhook === null ? [] : [userId])));
  const isFirst = (one: Said) =>
    isReplyTo(one, messageId) || (throughWebhook.has(one.author.id) && links(one, messageId));
  const firsts = own.filter(isFirst).map((one) => ({ part: 0, spokenId: one.id, voiceId: one.author.id }));
  const taken = new Set(
    await notedAmong(
      sql,
      own.map(({ id }) => id),
    ),
  );
  const others = own.filter(
    (one) => !isFirst(one) && one.author.id === voice.userId && isOfCommand(one, interactionToken ? messageId : null),
  );
  const rest = texts.flatMap((text, part) => {
    // A first part without a reference is the answer to a command whose time was over.
    if (part === 0 && (!interactionToken || firsts.length > 0)) return [];
    const one = others.find(({ id, content }) => !taken.has(id) && content.trim() === text.trim());
    if (one === undefined) return [];
    taken.add(one.id);
    return [{ part, spokenId: one.id, voiceId: voice.userId }];
  });
  return [...firsts, ...rest].map((part) => ({ ...part, channelId }));
}

function isReplyTo(
  { message_reference: reference, interaction_metadata: command }: Said,
  messageId: Snowflake,
): boolean {
  if (command) return command.id === messageId && command.original_response_message_id === undefined;
  return reference?.message_id === messageId;
}

function links({ content }: Said, messageId: Snowflake): boolean {
  return content.split("\n", 1)[0]?.endsWith(`/${messageId})`) ?? false;
}

/** Whether it may belong to this slash command; null: to none. What is said after the command's time is a message like any other. */
function isOfCommand({ interaction_metadata: command }: Said, commandId: Snowflake | null): boolean {
  return !command || command.id === commandId;
}

/** What was written since then; of more than two pages the first and the last. */
async function readSince(voice: Voice, channelId: Snowflake, since: Snowflake, signal: AbortSignal): Promise<Said[]> {
  const first = await readPage(voice, channelId, { after: since }, signal);
  if (first.length < pageLimit) return first;
  const newest = await readPage(voice, channelId, {}, signal);
  return [...new Map([...first, ...newest].map((one) => [one.id, one])).values()];
}

async function readPage(
  { rest }: Voice,
  channelId: Snowflake,
  from: { readonly after?: Snowflake },
  signal: AbortSignal,
): Promise<Said[]> {
  const query = { ...from, limit: String(pageLimit) };
  const request = { method: "GET", path: `/channels/${channelId}/messages`, query, repeatable: true } as const;
  try {
    const found = history.safeParse(await rest.call<unknown>(request, signal));
    if (found.success) return found.data;
  } catch (error) {
    if (error instanceof DiscordRefused && notReadable.has(error.reason)) return [];
    throw error;
  }
  const retry = { kind: "retry", afterMs: 5_000 } as const;
  throw new ForeseenError("discord_unavailable", "Discord's history could not be read", retry);
}
