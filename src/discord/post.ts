import { createHash } from "node:crypto";
import { z } from "zod";
import type { Sql } from "../connections/postgres.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { ForeseenError } from "../errors.ts";
import { DiscordRefused } from "./rest.ts";
import { dropSpoken, noteSpoken, readSpoken, type SpokenPart } from "./spoken.ts";
import type { Voice } from "./voices.ts";

/** What one message of ours holds. */
export interface Content {
  readonly text: string;
  /** The whole answer, when it is too long for messages. */
  readonly file: string | null;
  readonly components: readonly unknown[];
}

/** Nothing that people or models write pings anybody but, at most, the one who asked. */
const mentions = (repliedUser: boolean) => ({ parse: [], replied_user: repliedUser });
/** Who has waited longer than this is pinged by the answer. */
const pingAfterMs = 60_000;
/** How far back our own answer is looked for. */
const historyLimit = 100;

const posted = z.object({ id: z.string(), content: z.string() });
const history = z.array(
  posted.extend({
    author: z.object({ id: z.string() }),
    message_reference: z.object({ message_id: z.string().optional() }).optional(),
  }),
);

/**
 * Makes the answer to a message look like `contents`: messages of ours that are there already are edited, missing ones are posted, and what is too much is
 * deleted. Done twice it changes nothing: a nonce per part finds what was posted minutes ago, `spoken` what is older. `maybeThere`: an earlier attempt may
 * have posted without living to note it; the channel itself is asked then.
 */
export async function bringAbout(
  options: {
    readonly sql: Sql;
    readonly voice: Voice;
    /** The others, whose parts of this answer give way. */
    readonly all: readonly Voice[];
    readonly agent: string;
    readonly maybeThere: boolean;
  },
  envelope: Envelope,
  contents: readonly Content[],
  signal: AbortSignal,
): Promise<void> {
  const { sql, voice, agent } = options;
  const { messageId } = envelope;
  const known = await readSpoken(sql, messageId);
  let earlier = known.filter((part) => part.voiceId === voice.userId);
  if (earlier.length === 0 && options.maybeThere) earlier = await findEarlier(envelope, contents, voice, signal);
  for (const [part, content] of contents.entries()) {
    const there = earlier.find((one) => one.part === part);
    const spokenId =
      (there && (await edit(envelope, there, content, voice, signal))) ??
      (await post(envelope, agent, part, content, voice, signal));
    const channelId = envelope.conversationId;
    await noteSpoken(sql, messageId, agent, { part, spokenId, channelId, voiceId: voice.userId });
  }
  for (const part of known) {
    const speaker = options.all.find(({ userId }) => userId === part.voiceId);
    const isSurplus = part.part >= contents.length || part.voiceId !== voice.userId;
    if (isSurplus && speaker !== undefined) await takeBack(part, speaker, signal);
  }
  if (known.some(({ part }) => part >= contents.length)) await dropSpoken(sql, messageId, contents.length);
}

/** Deletes a message of ours; one that is gone already is as good. */
export async function takeBack(part: SpokenPart, voice: Voice, signal: AbortSignal): Promise<void> {
  const path = `/channels/${part.channelId}/messages/${part.spokenId}` as const;
  await voice.rest.call({ method: "DELETE", path, repeatable: true }, signal).catch(unlessRefused);
}

/** Null when it is no longer there, and has to be posted anew. The answer to a slash command stands also where the bot itself may see nothing. */
async function edit(
  { interactionToken }: Envelope,
  there: SpokenPart,
  content: Content,
  voice: Voice,
  signal: AbortSignal,
): Promise<Snowflake | null> {
  const body = { content: content.text, components: content.components, allowed_mentions: mentions(false) };
  if (interactionToken) {
    const own = `/webhooks/${interactionToken}/messages/${there.spokenId}` as const;
    const changed = await voice.rest
      .call({ method: "PATCH", path: own, body, ...filesOf(content), auth: false, repeatable: true }, signal)
      .catch((error: unknown) => unlessRefused(error, ...interactionIsOver));
    if (changed !== null) return there.spokenId;
  }
  const path = `/channels/${there.channelId}/messages/${there.spokenId}` as const;
  const done = await voice.rest
    .call({ method: "PATCH", path, body, ...filesOf(content), repeatable: true }, signal)
    .catch((error: unknown) => unlessRefused(error, unknownMessage));
  return done === null ? null : there.spokenId;
}

const unknownMessage = 10_008;
const unknownChannel = 10_003;

function unlessRefused(error: unknown, ...reasons: readonly number[]): null {
  const expected = reasons.length === 0 ? [unknownMessage, unknownChannel, 50_001] : reasons;
  if (error instanceof DiscordRefused && expected.includes(error.reason)) return null;
  throw error;
}

async function post(
  envelope: Envelope,
  agent: string,
  part: number,
  content: Content,
  voice: Voice,
  signal: AbortSignal,
): Promise<Snowflake> {
  const waitedMs = Date.now() - envelope.receivedAt.getTime();
  const isReply = part === 0 && !envelope.interactionToken;
  const body = {
    content: content.text,
    components: content.components,
    nonce: nonceOf(envelope.messageId, agent, part),
    enforce_nonce: true,
    allowed_mentions: mentions(isReply && waitedMs > pingAfterMs),
    ...(isReply ? { message_reference: { message_id: envelope.messageId, fail_if_not_exists: false } } : {}),
  };
  const path = `/channels/${envelope.conversationId}/messages` as const;
  const sent =
    (await throughInteraction(envelope, part, content, voice, signal)) ??
    posted.parse(await voice.rest.call({ method: "POST", path, body, ...filesOf(content), repeatable: true }, signal));
  // The nonce found what an earlier attempt had posted, with other words.
  if (sent.content.trim() !== content.text.trim()) {
    const there = { part, spokenId: sent.id, channelId: envelope.conversationId, voiceId: voice.userId };
    await edit(envelope, there, content, voice, signal);
  }
  return sent.id;
}

/** Null where there is no slash command to answer, or its time is over: a message in the channel answers it then. */
async function throughInteraction(
  { interactionToken }: Envelope,
  part: number,
  content: Content,
  voice: Voice,
  signal: AbortSignal,
): Promise<z.infer<typeof posted> | null> {
  if (!interactionToken) return null;
  const path = `/webhooks/${interactionToken}` as const;
  const body = { content: content.text, components: content.components, allowed_mentions: mentions(false) };
  const request =
    part === 0
      ? ({ method: "PATCH", path: `${path}/messages/@original`, repeatable: true } as const)
      : ({ method: "POST", path, query: { wait: "true" }, repeatable: false } as const);
  const sent = await voice.rest
    .call({ ...request, body, ...filesOf(content), auth: false }, signal)
    .catch((error: unknown) => unlessRefused(error, ...interactionIsOver));
  return sent === null ? null : posted.parse(sent);
}

/** Unknown webhook, unknown interaction, invalid webhook token, and no number at all. */
const interactionIsOver = [10_015, 10_062, 50_027, unknownMessage, 0];

function filesOf({ file }: Content): { files?: readonly { name: string; text: string }[] } {
  return file === null ? {} : { files: [{ name: "answer.md", text: file }] };
}

/** At most 25 characters, the same for every attempt. */
function nonceOf(messageId: Snowflake, agent: string, part: number): string {
  const who = createHash("sha256").update(agent).digest("hex").slice(0, 6);
  return `${BigInt(messageId).toString(36)}-${who}-${part}`.slice(0, 25);
}

/** Our answer in the channel's history: the first part by what it replies to, the others by their words. */
async function findEarlier(
  envelope: Envelope,
  contents: readonly Content[],
  voice: Voice,
  signal: AbortSignal,
): Promise<SpokenPart[]> {
  const { messageId, conversationId: channelId } = envelope;
  const query = { after: messageId, limit: String(historyLimit) };
  const request = { method: "GET", path: `/channels/${channelId}/messages`, query, repeatable: true } as const;
  const found = history.safeParse(await voice.rest.call<unknown>(request, signal));
  if (!found.success)
    throw new ForeseenError("discord_unavailable", "Discord's history could not be read", {
      kind: "retry",
      afterMs: 5_000,
    });
  const own = found.data
    .filter(({ author }) => author.id === voice.userId)
    .sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  const first = own.find(({ message_reference: to }) => to?.message_id === messageId);
  return contents.flatMap(({ text }, part) => {
    const one = part === 0 ? first : own.find(({ id, content }) => id !== first?.id && content.trim() === text.trim());
    return one === undefined ? [] : [{ part, spokenId: one.id, channelId, voiceId: voice.userId }];
  });
}
