import type { Database, Sql } from "../connections/postgres.ts";
import type { DiscordRest } from "../discord/rest.ts";
import { dropFeedback, noteFeedback } from "../discord/feedback.ts";
import { dropChannels, storeChannels, storeGuild, type Places, type Where } from "../discord/places.ts";
import type { Envelope, Priority, Snowflake } from "../envelope.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { Revoked } from "../inbox/revisions.ts";
import type { Logger } from "../log.ts";
import { fetchMissed, type Gap } from "./backfill.ts";
import type { WireInteraction } from "../discord/interaction.ts";
import type { Heard, WireMessage } from "./dispatch.ts";
import { isFromPerson, replyIdOf, toEnvelope, type Self } from "./envelopes.ts";
import { advance, type Lease, type Progress } from "./leases.ts";
import { locate, toStoredChannel, toStoredGuild } from "./whereabouts.ts";

/** What hearing needs besides Postgres. */
export interface HearingOptions {
  readonly database: Database;
  readonly inbox: Inbox;
  readonly places: Places;
  readonly rest: DiscordRest;
  readonly self: () => Self;
  /** The one guild that is listened to; null: all. */
  readonly guildId: Snowflake | null;
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
    /** The new text is null for a message that is answered anew. */
    readonly reword: (tx: Sql, messageId: Snowflake, text: string | null) => Promise<readonly Snowflake[]>;
    /** After the commit, with the conversations whose hot memory no longer holds. */
    readonly drop: (conversationIds: readonly Snowflake[]) => Promise<void>;
  };
  readonly log: Logger;
}

const mostMissedPerChannel = 100;

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
    const after: Aftermath = { kept: 0, guilds: new Set(), conversations: new Set(), revoked: [] };
    await database.transaction(async (tx) => {
      await advance(tx, lease, progress);
      for (const one of heard) await storePlace(tx, one, options.self(), after);
      await heardUntil(tx, prepared.until);
      await places.tell(tx, after.guilds);
      after.kept = await inbox.keepAll(tx, prepared.envelopes);
      for (const one of heard) await revise(tx, one, prepared, options, after);
    });
    for (const guildId of after.guilds) places.changed(guildId);
    if (after.kept > 0) inbox.wake();
    inbox.revoked(after.revoked);
    if (after.conversations.size > 0) await options.revise.drop([...after.conversations]);
  };
}

interface Addressed {
  readonly envelope: Envelope;
  readonly priority: Priority;
}

/** What has to be looked up or fetched before the transaction, which must not wait for Discord. */
interface Prepared {
  readonly envelopes: readonly Addressed[];
  /** Per channel the newest message of this batch. */
  readonly until: ReadonlyMap<Snowflake, Snowflake>;
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
  const messages: WireMessage[] = [];
  const edited: WireMessage[] = [];
  const asked: WireInteraction[] = [];
  for (const one of heard) {
    if (one.kind === "guild" || one.kind === "ready") {
      const { gaps, newest } = await gapsOf(database, one, lease);
      for (const [channel, message] of newest) until.set(channel, message);
      const limits = { rest: options.rest, maxAgeMs: options.backfillMs, mostPerChannel: mostMissedPerChannel };
      messages.push(...(await fetchMissed(gaps, { ...limits, log: options.log }, signal)));
    }
    if (one.kind === "message") messages.push(one.message);
    if (one.kind === "edited") edited.push(one.message);
    if (one.kind === "interaction") asked.push(one.interaction);
  }
  for (const { channel_id: channel, id } of messages) until.set(channel, newer(until.get(channel), id));
  const envelopes = await toEnvelopes(options, messages, signal);
  const answers = await Promise.all(asked.map((one) => interact(options, one, signal)));
  const questions = answers.flatMap((envelope) =>
    envelope === null ? [] : [{ envelope, priority: "mention" as const }],
  );
  const revised = await toEnvelopes(options, edited, signal);
  return {
    until,
    edited: new Map(revised.map(({ envelope }) => [envelope.messageId, envelope])),
    envelopes: [...envelopes, ...questions],
  };
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

/** Where something may have been missed: channels whose newest message is not the newest we know. */
async function gapsOf(
  sql: Sql,
  heard: Heard & { kind: "guild" | "ready" },
  lease: Lease,
): Promise<{ gaps: Gap[]; newest: Map<Snowflake, Snowflake> }> {
  const newest = new Map<Snowflake, Snowflake>();
  if (heard.kind === "ready") {
    // Direct conversations belong to the first shard, and nobody lists them.
    if (lease.shard !== 0) return { gaps: [], newest };
    const rows = await sql.query<{ channel_id: string; heard_until: string }>(
      `select channel_id, heard_until from channels where kind = 'direct' and heard_until is not null
       order by heard_until desc limit 100`,
    );
    return { gaps: rows.map((row) => ({ channelId: row.channel_id, after: row.heard_until })), newest };
  }
  for (const channel of heard.channels) if (channel.last_message_id) newest.set(channel.id, channel.last_message_id);
  const rows = await sql.query<{ channel_id: string; heard_until: string }>(
    "select channel_id, heard_until from channels where guild_id = $1 and heard_until is not null",
    [heard.guild.id],
  );
  const gaps = rows
    .filter((row) => BigInt(newest.get(row.channel_id) ?? 0) > BigInt(row.heard_until))
    .map((row) => ({ channelId: row.channel_id, after: row.heard_until }));
  return { gaps, newest };
}

async function heardUntil(tx: Sql, until: ReadonlyMap<Snowflake, Snowflake>): Promise<void> {
  if (until.size === 0) return;
  await tx.query(
    `update channels c set heard_until = greatest(c.heard_until, u.id)
     from unnest($1::bigint[], $2::bigint[]) as u (channel, id) where c.channel_id = u.channel`,
    [[...until.keys()], [...until.values()]],
  );
}

function newer(a: Snowflake | undefined, b: Snowflake): Snowflake {
  return a !== undefined && BigInt(a) > BigInt(b) ? a : b;
}

function guildOf(heard: Heard): Snowflake | null | undefined {
  if (heard.kind === "guild" || heard.kind === "guild-changed") return heard.guild.id;
  if (heard.kind === "channel") return heard.channel.guild_id;
  if (heard.kind === "message" || heard.kind === "edited") return heard.message.guild_id;
  if (heard.kind === "interaction") return heard.interaction.guild_id;
  return "guildId" in heard ? heard.guildId : null;
}

async function storePlace(tx: Sql, heard: Heard, self: Self, after: Aftermath): Promise<void> {
  if (heard.kind === "guild") {
    const own = heard.members.find(({ userId }) => userId === self.userId);
    await storeGuild(tx, toStoredGuild(heard.guild), own?.roles ?? null);
    await dropChannels(
      tx,
      heard.guild.id,
      heard.channels.map(({ id }) => id),
    );
    await storeChannels(tx, heard.channels.map(toStoredChannel));
  } else if (heard.kind === "guild-changed") {
    await storeGuild(tx, toStoredGuild(heard.guild), null);
  } else if (heard.kind === "guild-gone") {
    await dropChannels(tx, heard.guildId, null);
  } else if (heard.kind === "channel") {
    await storeChannels(tx, [toStoredChannel(heard.channel)]);
  } else if (heard.kind === "channel-gone") {
    const rows = await tx.query<{ guild_id: string | null }>(
      "delete from channels where channel_id = $1 or parent_id = $1 and kind like '%thread' returning guild_id",
      [heard.channelId],
    );
    for (const { guild_id: guildId } of rows) if (guildId !== null) after.guilds.add(guildId);
  } else if (heard.kind === "role") {
    const change =
      heard.permissions === null
        ? "(roles::jsonb - $2)::json"
        : "(roles::jsonb || jsonb_build_object($2::text, $3::text))::json";
    const values = [heard.guildId, heard.roleId, ...(heard.permissions === null ? [] : [heard.permissions])];
    await tx.query(`update guilds set roles = ${change} where guild_id = $1`, values);
  } else if (heard.kind === "own-roles" && heard.userId === self.userId) {
    await tx.query("update guilds set own_roles = $2::bigint[] where guild_id = $1", [heard.guildId, heard.roles]);
  }
  const guildId = guildOf(heard);
  const isPlace = heard.kind !== "message" && heard.kind !== "edited" && heard.kind !== "interaction";
  if (isPlace && guildId) after.guilds.add(guildId);
}

async function revise(
  tx: Sql,
  heard: Heard,
  { edited }: Prepared,
  { inbox, revise: memory }: HearingOptions,
  after: Aftermath,
): Promise<void> {
  if (heard.kind === "deleted") {
    const { conversations, revoked, hasWork } = await inbox.deleted(tx, heard.messageIds);
    if (hasWork) after.kept += 1;
    const concerned = await memory.forget(tx, heard.messageIds);
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
