import type { Sql } from "../connections/postgres.ts";
import { dropChannels, storeChannels, storeGuild } from "../discord/places.ts";
import type { Snowflake } from "../envelope.ts";
import type { Heard } from "./dispatch.ts";
import type { Self } from "./envelopes.ts";
import { toStoredChannel, toStoredGuild } from "./whereabouts.ts";

/** The guild that an event concerns, if it tells of one. */
export function guildOf(heard: Heard): Snowflake | null | undefined {
  if (heard.kind === "guild" || heard.kind === "guild-changed") return heard.guild.id;
  if (heard.kind === "channel") return heard.channel.guild_id;
  if (heard.kind === "message" || heard.kind === "edited" || heard.kind === "unfurled") return heard.message.guild_id;
  if (heard.kind === "interaction") return heard.interaction.guild_id;
  return "guildId" in heard ? heard.guildId : null;
}

const isTalk = new Set<Heard["kind"]>(["message", "edited", "unfurled", "interaction"]);

/** Stores what an event tells of guilds and channels; resolves to the guilds that are other than before. */
export async function storePlace(tx: Sql, heard: Heard, self: Self): Promise<readonly Snowflake[]> {
  const changed: Snowflake[] = [];
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
    for (const { guild_id: guildId } of rows) if (guildId !== null) changed.push(guildId);
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
  if (!isTalk.has(heard.kind) && guildId) changed.push(guildId);
  return changed;
}
