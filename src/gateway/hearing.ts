import type { Database, Sql } from "../connections/postgres.ts";
import type { DiscordRest } from "../discord/rest.ts";
import { dropFeedback, noteFeedback } from "../discord/feedback.ts";
import { storeChannels, type Places, type Where } from "../discord/places.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import { readKeptBetween } from "../inbox/forgetting.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { Revoked } from "../inbox/revisions.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { fetchMissed, type Addressed } from "./backfill.ts";
import type { WireInteraction } from "../discord/interaction.ts";
import type { Heard, WireMessage } from "./dispatch.ts";
import { isFromPerson, replyIdOf, toEnvelope, type Self } from "./envelopes.ts";
import { gapsOf, heardUntil, newer } from "./gaps.ts";
import { advance, mustHold, type Lease, type Progress } from "./leases.ts";
import { forgetPlace, goneUnheard } from "./gone-places.ts";
import { guildOf, storePlace } from "./place-events.ts";
import { locate, toStoredChannel } from "./whereabouts.ts";

/** What hearing needs besides Postgres. */
export interface HearingOptions {
  readonly database: Database;
  readonly inbox: Inbox;
  readonly places: Places;
  readonly rest: DiscordRest;
  readonly self: () => Self;
  /** The one guild that is listened to; null: all. */
  readonly guildId: Snowflake | null;
  /** What was missed and is older is left out. */
  readonly backfillMs: number;
  readonly maxMessageChars: number;
  /** Answers a slash command or a button, and resolves to the message to be answered, if it is one. `where` tells where it was used. */
  readonly interact: (
    interaction: WireInteraction,
    where: () => Promise<Where>,
    signal: AbortSignal,
  ) => Promise<Envelope | null>;
  /** Brings deletions and edits to memory, as part of the transaction; resolves to the conversations that are concerned. */
  readonly revise: {
    readonly forget: (tx: Sql, messageIds: readonly Snowflake[]) => Promise<readonly Snowflake[]>;
    readonly forgetPlace: (tx: Sql, guildId: Snowflake, channelId: Snowflake) => Promise<readonly Snowflake[]>;
    /** The new text is null for a message that is answered anew. */
    readonly reword: (tx: Sql, messageId: Snowflake, text: string | null) => Promise<readonly Snowflake[]>;
    /** A message has these words now, of which the first are those that it had. */
    readonly extend: (tx: Sql, messageId: Snowflake, text: string) => Promise<readonly Snowflake[]>;
    /** After the commit, with the conversations whose hot memory no longer holds. */
    readonly drop: (conversationIds: readonly Snowflake[]) => Promise<void>;
  };
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** What is to be done once a transaction has committed. */
interface Aftermath {
  kept: number;
  readonly guilds: Set<Snowflake>;
  readonly conversations: Set<Snowflake>;
  readonly revoked: Revoked[];
}

/** Stores the events of one shard: messages into the inbox, guilds and channels into their tables, edits and deletions everywhere. */
export function makeHearing(options: HearingOptions) {
  const { database, inbox, places } = options;
  const concernsUs = (guildId: Snowflake | null | undefined) =>
    options.guildId === null || guildId === null || guildId === undefined || guildId === options.guildId;

  return async (lease: Lease, all: readonly Heard[], progress: Progress, signal: AbortSignal): Promise<void> => {
    const heard = all.filter((one) => concernsUs(guildOf(one)));
    const prepared = await prepare(options, heard, lease, signal);
    const after = await database.transaction(async (tx) => {
      const todo: Aftermath = { kept: 0, guilds: new Set(), conversations: new Set(), revoked: [] };
      await advance(tx, lease, progress);
      for (const one of heard) for (const id of await storePlace(tx, one, options.self())) todo.guilds.add(id);
      await heardUntil(tx, prepared.until);
      await places.tell(tx, todo.guilds);
      todo.kept = await inbox.keepAll(tx, prepared.envelopes);
      for (const one of [...prepared.changes, ...heard]) await revise(tx, one, prepared, options, todo);
      return todo;
    });
    for (const guildId of after.guilds) places.changed(guildId);
    if (after.kept > 0) inbox.wake();
    inbox.revoked(after.revoked);
    if (after.conversations.size > 0) await options.revise.drop([...after.conversations]);
  };
}

/** Discord's number of an interaction that somebody still types. */
const keystroke = 4;

/** What has to be looked up or fetched before the transaction, which must not wait for Discord. */
interface Prepared {
  readonly envelopes: readonly Addressed[];
  /** Of what was heard before, meanwhile. */
  readonly changes: readonly Heard[];
  /** Per channel the newest message of this batch. */
  readonly until: ReadonlyMap<Snowflake, Snowflake>;
  /** What was edited, or unfurled, as it reads now. */
  readonly edited: ReadonlyMap<Snowflake, Envelope>;
}

async function prepare(
  options: HearingOptions,
  heard: readonly Heard[],
  lease: Lease,
  signal: AbortSignal,
): Promise<Prepared> {
  const { database } = options;
  const until = new Map<Snowflake, Snowflake>();
  const envelopes: Addressed[] = [];
  const messages: WireMessage[] = [];
  const edited: WireMessage[] = [];
  const changes: Heard[] = [];
  const asked: WireInteraction[] = [];
  for (const one of heard) {
    if (one.kind === "channel-gone") await forgetPlace(options, one, signal);
    if (one.kind === "guild") {
      const guildId = one.guild.id;
      for (const channelId of await goneUnheard(options, one, signal))
        await forgetPlace(options, { guildId, channelId }, signal);
    }
    if (one.kind === "guild" || one.kind === "ready") {
      const { gaps, newest } = await gapsOf(database, one, lease);
      for (const [channel, message] of newest) until.set(channel, message);
      if (gaps.length > 0 && one.kind === "guild") await knowChannels(options, one, lease);
      const read = (those: readonly WireMessage[]) => toEnvelopes(options, those, signal);
      const stored = (...range: [Snowflake, Snowflake, Snowflake]) => readKeptBetween(database, ...range);
      const missed = await fetchMissed(gaps, { ...options, maxAgeMs: options.backfillMs, read, stored }, signal);
      for (const [channel, message] of missed.until) until.set(channel, newer(until.get(channel), message));
      envelopes.push(...missed.envelopes);
      changes.push(...missed.changes);
    }
    if (one.kind === "message") messages.push(one.message);
    if (one.kind === "edited" || one.kind === "unfurled") edited.push(one.message);
    if (one.kind === "interaction") asked.push(one.interaction);
  }
  for (const { channel_id: channel, id } of messages) until.set(channel, newer(until.get(channel), id));
  envelopes.push(...(await toEnvelopes(options, messages, signal)));
  // Who has woken after another took over must not do again what was undone meanwhile.
  if (asked.length > 0) await mustHold(database, lease);
  const answers = await Promise.all(
    asked.map(async (one) => {
      const answer = interact(options, one, signal);
      // Suggestions are begun already, and nobody misses those that are late: what was said meanwhile does not wait for them.
      if (one.type !== keystroke) return answer;
      answer.catch(() => {});
      return null;
    }),
  );
  const questions = answers.flatMap((envelope) =>
    envelope === null ? [] : [{ envelope, priority: "mention" as const }],
  );
  edited.push(...changes.flatMap((change) => (change.kind === "edited" ? [change.message] : [])));
  const revised = await toEnvelopes(options, edited, signal);
  return {
    until,
    changes,
    edited: new Map(revised.map(({ envelope }) => [envelope.messageId, envelope])),
    envelopes: [...envelopes, ...questions],
  };
}

/** What was missed may stand in a channel that is new: it has to be known where that is before anything in it can be read. */
async function knowChannels(
  { database, places }: HearingOptions,
  heard: Heard & { kind: "guild" },
  lease: Lease,
): Promise<void> {
  await database.transaction(async (tx) => {
    await mustHold(tx, lease);
    await storeChannels(tx, heard.channels.map(toStoredChannel));
  });
  places.changed(heard.guild.id);
}

function interact(
  options: HearingOptions,
  interaction: WireInteraction,
  signal: AbortSignal,
): Promise<Envelope | null> {
  const { channel_id = "0", guild_id } = interaction;
  const where = async (): Promise<Where> => {
    const found = (await locate(options, [{ channel_id, guild_id }], signal)).get(channel_id);
    if (found === undefined) throw new Error("the place of an interaction got lost");
    return found;
  };
  return options.interact(interaction, where, signal);
}

async function toEnvelopes(
  options: HearingOptions,
  messages: readonly WireMessage[],
  signal: AbortSignal,
): Promise<Addressed[]> {
  const self = options.self();
  const personal = messages.filter((message) => isFromPerson(message, self));
  if (personal.length === 0) return [];
  const wheres = await locate(options, personal, signal);
  const agents = await agentsOf(
    options.database,
    personal.flatMap((message) => replyIdOf(message) ?? []),
  );
  return personal.flatMap((message) => {
    const where = wheres.get(message.channel_id);
    const repliedTo = agents.get(replyIdOf(message) ?? "") ?? null;
    return where === undefined ? [] : [toEnvelope(message, where, self, repliedTo, options.maxMessageChars)];
  });
}

/** Whose words these messages of ours are. */
async function agentsOf(sql: Sql, spokenIds: readonly Snowflake[]): Promise<ReadonlyMap<Snowflake, string>> {
  if (spokenIds.length === 0) return new Map();
  const rows = await sql.query<{ spoken_id: string; agent: string }>(
    "select spoken_id, agent from spoken where spoken_id = any($1::bigint[])",
    [spokenIds],
  );
  return new Map(rows.map((row) => [row.spoken_id, row.agent]));
}

async function revise(
  tx: Sql,
  heard: Heard,
  { edited }: Prepared,
  { inbox, revise: memory }: HearingOptions,
  after: Aftermath,
): Promise<void> {
  if (heard.kind === "deleted") {
    // Memory first: it finds the answers to replies by the quotations, which the inbox takes out.
    const concerned = await memory.forget(tx, heard.messageIds);
    const { conversations, revoked, hasWork } = await inbox.deleted(tx, heard.messageIds);
    if (hasWork) after.kept += 1;
    for (const id of [...conversations, ...concerned]) after.conversations.add(id);
    after.revoked.push(...revoked);
  } else if (heard.kind === "edited") {
    const envelope = edited.get(heard.message.id);
    if (envelope === undefined) return;
    const { isKnown, revoked } = await inbox.edited(tx, envelope);
    if (!isKnown) return;
    const concerned = await memory.reword(tx, envelope.messageId, revoked === null ? envelope.text : null);
    for (const id of [envelope.conversationId, ...concerned]) after.conversations.add(id);
    if (revoked !== null) {
      after.kept += 1;
      after.revoked.push(revoked);
    }
  } else if (heard.kind === "unfurled") {
    const envelope = edited.get(heard.message.id);
    if (envelope === undefined) return;
    for (const id of await memory.extend(tx, envelope.messageId, envelope.text)) after.conversations.add(id);
  } else if (heard.kind === "reaction") {
    const { messageId: spokenId, userId, emoji, added } = heard;
    const value = thumbs.get(emoji);
    if (value !== undefined) await (added ? noteFeedback : dropFeedback)(tx, { spokenId, userId, value });
  }
}

const thumbs: ReadonlyMap<string, 1 | -1> = new Map([
  ["👍", 1],
  ["👎", -1],
]);
