import type { Fate } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import { readSpoken } from "./spoken.ts";

/** A link that Discord's clients open; `guildId` null: a direct conversation. */
export function linkTo(guildId: Snowflake | null, conversationId: Snowflake, messageId: Snowflake): string {
  return `https://discord.com/channels/${guildId ?? "@me"}/${conversationId}/${messageId}`;
}

/** Where people find a message that was heard: at its answer, because a slash command is no message of its own; unanswered, at itself. */
export async function linkToTurn(sql: Sql, { messageId, spot }: Fate): Promise<string> {
  const [spoken] = await readSpoken(sql, messageId);
  return linkTo(spot.guildId, spot.conversationId, spoken?.spokenId ?? messageId);
}
