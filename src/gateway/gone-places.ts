import type { Database, Sql } from "../connections/postgres.ts";
import { DiscordRefused } from "../discord/failures.ts";
import type { DiscordRest } from "../discord/rest.ts";
import type { Snowflake } from "../envelope.ts";
import { readKeptIn } from "../inbox/forgetting.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { Heard } from "./dispatch.ts";

export interface GonePlacesOptions {
  readonly database: Database;
  readonly inbox: Inbox;
  readonly rest: DiscordRest;
  readonly revise: {
    readonly forget: (tx: Sql, messageIds: readonly Snowflake[]) => Promise<readonly Snowflake[]>;
    /** Forgets what is remembered of a channel and its threads without a message that is known. */
    readonly forgetPlace: (tx: Sql, guildId: Snowflake, channelId: Snowflake) => Promise<readonly Snowflake[]>;
    readonly drop: (conversationIds: readonly Snowflake[]) => Promise<void>;
  };
}

const mostAtOnce = 500;
/** Discord's number of the error: there is no such channel, where one that may not be read has another. */
const unknownChannel = 10_003;

/**
 * Forgets what was said in a channel that is gone, and in its threads, as if each message had been deleted. In transactions of their own, before the one
 * that notes the event: one for all of it would hold the shard's row for as long as a large channel takes. Doing it again does no harm.
 */
export async function forgetPlace(
  options: GonePlacesOptions,
  place: { readonly channelId: Snowflake; readonly guildId: Snowflake | null },
  signal: AbortSignal,
): Promise<void> {
  const { database, inbox, revise } = options;
  for (let found = mostAtOnce; found > 0;) {
    signal.throwIfAborted();
    const done = await database.transaction(async (tx) => {
      const messageIds = await readKeptIn(tx, place.channelId, mostAtOnce);
      const concerned = await revise.forget(tx, messageIds);
      const { conversations, revoked, hasWork } = await inbox.deleted(tx, messageIds);
      return { messageIds, revoked, hasWork, conversations: [...new Set([...conversations, ...concerned])] };
    });
    inbox.revoked(done.revoked);
    if (done.hasWork) inbox.wake();
    await revise.drop(done.conversations);
    found = done.messageIds.length;
  }
  const { channelId, guildId } = place;
  if (guildId === null) return;
  await revise.drop(await database.transaction((tx) => revise.forgetPlace(tx, guildId, channelId)));
}

/** Channels of a guild that it no longer lists, and that are gone as Discord itself says: nobody told while nobody listened. */
export async function goneUnheard(
  { database, rest }: GonePlacesOptions,
  heard: Heard & { kind: "guild" },
  signal: AbortSignal,
): Promise<readonly Snowflake[]> {
  const rows = await database.query<{ channel_id: Snowflake }>(
    "select channel_id from channels where guild_id = $1 and kind in ('channel', 'voice') and channel_id <> all($2::bigint[])",
    [heard.guild.id, heard.channels.map(({ id }) => id)],
  );
  const gone: Snowflake[] = [];
  for (const { channel_id: channelId } of rows) {
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(20_000)]);
      await rest.call({ method: "GET", path: `/channels/${channelId}`, repeatable: true }, patience);
    } catch (error) {
      if (!(error instanceof DiscordRefused)) throw error;
      if (error.reason === unknownChannel) gone.push(channelId);
    }
  }
  return gone;
}
