import * as z from "zod";
import type { Sql } from "../connections/postgres.ts";
import { momentOf, type Envelope, type Snowflake } from "../envelope.ts";
import { DiscordRefused } from "./failures.ts";
import { findSpoken } from "./history.ts";
import { dropSpoken, noteSpoken, readSpoken, type SpokenPart } from "./spoken.ts";
import type { Voice, WebhookSeat } from "./voices.ts";

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
/** An answer to something older may have been begun by a process that is gone, so long ago that no nonce knows of it. */
const lookBackAfterMs = 5_000;

const posted = z.object({ id: z.string(), content: z.string() });

/**
 * Makes the answer to a message look like `contents`: messages of ours that are there already are edited, missing ones are posted, and what is too much is
 * deleted. Done twice it changes nothing: a nonce per part finds what was posted minutes ago, `spoken` what is older. `maybeThere`: an earlier attempt may
 * have posted without living to note it; the channel itself is asked then, and also when nothing is noted although the message is not new. Otherwise what
 * is there is a notice of the wait, and after a long one it gives way to a new message if `mayReplace` says so, because an edit pings nobody.
 */
export async function bringAbout(
  options: {
    readonly sql: Sql;
    readonly voice: Voice;
    /** The others, whose parts of this answer give way. */
    readonly all: readonly Voice[];
    readonly agent: string;
    readonly maybeThere: boolean;
    readonly mayReplace: () => Promise<boolean>;
  },
  envelope: Envelope,
  contents: readonly Content[],
  signal: AbortSignal,
): Promise<void> {
  const { sql, voice, agent } = options;
  const { messageId } = envelope;
  const noted = await readSpoken(sql, messageId);
  const isOld = voice.rest.now() - envelope.receivedAt.getTime() > lookBackAfterMs;
  const isQuiet = (part: SpokenPart) => part.part === 0 && isLate(envelope, voice) && !hasPinged(envelope, part);
  const isUnsure = options.maybeThere
    ? noted.length < contents.length || noted.some(isQuiet)
    : isOld && noted.length === 0;
  const texts = contents.map(({ text }) => text);
  const found = isUnsure ? await findSpoken({ ...options, texts }, envelope, signal) : [];
  const known = [...noted, ...found.filter(({ spokenId }) => !noted.some((part) => part.spokenId === spokenId))];
  const earlier = known.filter((part) => part.voiceId === voice.userId).sort(byAge);
  const settled = new Set<Snowflake>();
  for (const [part, content] of contents.entries()) {
    const there = earlier.findLast((one) => one.part === part);
    const isNotice = there !== undefined && !options.maybeThere && isQuiet(there);
    const givesWay = isNotice && (await options.mayReplace());
    const nonce = `${nonceOf(messageId, part)}${givesWay ? "-late" : ""}`;
    const spokenId =
      (there && !givesWay && (await edit(envelope, there, content, voice, signal))) ||
      (await post(envelope, part, content, voice, nonce, signal));
    // Before the note: what is noted last is known to whoever comes after a crash.
    if (givesWay) await takeBack(there, voice, signal);
    settled.add(spokenId).add(there?.spokenId ?? spokenId);
    const channelId = envelope.conversationId;
    await noteSpoken(sql, messageId, agent, { part, spokenId, channelId, voiceId: voice.userId });
  }
  for (const part of known.filter(({ spokenId }) => !settled.has(spokenId))) {
    const speaker = options.all.find(({ userId }) => userId === part.voiceId);
    if (speaker !== undefined) await takeBack(part, speaker, signal);
  }
  if (known.some(({ part }) => part >= contents.length)) await dropSpoken(sql, messageId, contents.length);
}

/** Who asked has waited so long that the answer pings them, where it can. */
function isLate({ receivedAt, interactionToken }: Envelope, { webhook, rest }: Voice): boolean {
  return !interactionToken && webhook === null && rest.now() - receivedAt.getTime() > pingAfterMs;
}

function hasPinged({ receivedAt }: Envelope, { spokenId }: SpokenPart): boolean {
  return momentOf(spokenId) - receivedAt.getTime() > pingAfterMs;
}

function byAge(one: SpokenPart, other: SpokenPart): number {
  return BigInt(one.spokenId) < BigInt(other.spokenId) ? -1 : 1;
}

/** Deletes a message of ours; one that is gone already is as good. */
export async function takeBack(part: SpokenPart, voice: Voice, signal: AbortSignal): Promise<void> {
  await voice.rest
    .call({ method: "DELETE", ...placeOf(voice, part), repeatable: true }, signal)
    .catch((error: unknown) => unlessRefused(error));
}

/** Where a message of ours is changed. */
function placeOf({ webhook }: Voice, { channelId, spokenId }: Pick<SpokenPart, "channelId" | "spokenId">) {
  if (webhook === null) return { path: `/channels/${channelId}/messages/${spokenId}` } as const;
  return { path: `${webhook.path}/messages/${spokenId}`, query: webhook.thread, auth: false } as const;
}

/** Null when it is no longer there, and has to be posted anew. The answer to a slash command stands also where the bot itself may see nothing. */
async function edit(
  { interactionToken }: Envelope,
  there: SpokenPart,
  content: Content,
  voice: Voice,
  signal: AbortSignal,
): Promise<Snowflake | null> {
  // What is listed stays, so that a file is not there twice.
  const attachments = (filesOf(content).files ?? []).map(({ name }, id) => ({ id, filename: name }));
  const { text, components } = content;
  const body = { content: text, components, attachments, allowed_mentions: mentions(false) };
  if (interactionToken) {
    const own = `/webhooks/${interactionToken}/messages/${there.spokenId}` as const;
    const changed = await voice.rest
      .call({ method: "PATCH", path: own, body, ...filesOf(content), auth: false, repeatable: true }, signal)
      .catch((error: unknown) => unlessRefused(error, ...interactionIsOver));
    if (changed !== null) return there.spokenId;
  }
  const done = await voice.rest
    .call({ method: "PATCH", ...placeOf(voice, there), body, ...filesOf(content), repeatable: true }, signal)
    .catch((error: unknown) => unlessRefused(error, unknownMessage));
  return done === null ? null : there.spokenId;
}

const unknownMessage = 10_008;
const unknownChannel = 10_003;
/** Who may not read what was written may not refer to it either. */
const noHistory = 160_002;

function unlessRefused(error: unknown, ...reasons: readonly number[]): null {
  const expected = reasons.length === 0 ? [unknownMessage, unknownChannel, 50_001] : reasons;
  if (error instanceof DiscordRefused && expected.includes(error.reason)) return null;
  throw error;
}

async function post(
  envelope: Envelope,
  part: number,
  content: Content,
  voice: Voice,
  nonce: string,
  signal: AbortSignal,
): Promise<Snowflake> {
  if (voice.webhook !== null) return postThrough(voice.webhook, content, voice, signal);
  const isReply = part === 0 && !envelope.interactionToken;
  const body = {
    content: content.text,
    components: content.components,
    nonce,
    enforce_nonce: true,
    allowed_mentions: mentions(isReply && isLate(envelope, voice)),
  };
  const reference = { message_id: envelope.messageId, fail_if_not_exists: false };
  const path = `/channels/${envelope.conversationId}/messages` as const;
  const say = (whole: object) =>
    voice.rest.call<unknown>({ method: "POST", path, body: whole, ...filesOf(content), repeatable: true }, signal);
  const sayPlainly = async (plain: typeof body) =>
    posted.parse(
      isReply
        ? ((await say({ ...plain, message_reference: reference }).catch((error: unknown) =>
            unlessRefused(error, noHistory),
          )) ?? (await say(plain)))
        : await say(plain),
    );
  const sent = (await throughInteraction(envelope, part, content, voice, signal)) ?? (await sayPlainly(body));
  if (sent.content.trim() === content.text.trim()) return sent.id;
  // The nonce found what an earlier attempt had posted, with other words. Somebody may have deleted that since.
  const there = { part, spokenId: sent.id, channelId: envelope.conversationId, voiceId: voice.userId };
  if ((await edit(envelope, there, content, voice, signal)) !== null) return sent.id;
  return (await sayPlainly({ ...body, nonce: `${nonce}-again` })).id;
}

/** A webhook knows no nonce: what may have been posted already is looked for by whoever tries again. */
async function postThrough(seat: WebhookSeat, content: Content, { rest }: Voice, signal: AbortSignal) {
  const { path, thread, name, avatarUrl, forget } = seat;
  const body = {
    content: content.text,
    components: content.components,
    username: name,
    ...(avatarUrl === null ? {} : { avatar_url: avatarUrl }),
    allowed_mentions: mentions(false),
  };
  const query = { wait: "true", ...thread };
  const request = { method: "POST", path, query, body, ...filesOf(content), auth: false, repeatable: false } as const;
  const sent = await rest.call(request, signal).catch((error: unknown) => {
    if (error instanceof DiscordRefused) forget();
    throw error;
  });
  return posted.parse(sent).id;
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

/** At most 16 characters of the 25 that there may be, the same for every attempt, whoever's words it speaks: a wait that was told of becomes the answer. */
function nonceOf(messageId: Snowflake, part: number): string {
  return `${BigInt(messageId).toString(36)}-${part}`;
}
