import { withoutWaitingForDisk, type Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";

/** One message of ours, as a part of the answer to `messageId`. */
export interface SpokenPart {
  readonly part: number;
  readonly spokenId: Snowflake;
  readonly channelId: Snowflake;
  readonly voiceId: Snowflake;
}

/** What was already said in answer to a message, in the order of its parts. */
export async function readSpoken(sql: Sql, messageId: Snowflake): Promise<readonly SpokenPart[]> {
  const rows = await sql.query<{ part: number; spoken_id: string; channel_id: string; voice_id: string }>(
    "select part, spoken_id, channel_id, voice_id from spoken where message_id = $1 order by part",
    [messageId],
  );
  return rows.map((row) => ({
    part: row.part,
    spokenId: row.spoken_id,
    channelId: row.channel_id,
    voiceId: row.voice_id,
  }));
}

/** Notes what was said, so that it is found again after a crash and by whoever replies to it. What a crash of Postgres loses of it, the channel tells. */
export async function noteSpoken(sql: Sql, messageId: Snowflake, agent: string, part: SpokenPart): Promise<void> {
  await sql.query(
    `insert into spoken (message_id, part, spoken_id, channel_id, voice_id, agent) values ($1, $2, $3, $4, $5, $6)
     on conflict (message_id, part) do update set spoken_id = excluded.spoken_id, channel_id = excluded.channel_id,
       voice_id = excluded.voice_id, agent = excluded.agent
     returning ${withoutWaitingForDisk}`,
    [messageId, part.part, part.spokenId, part.channelId, part.voiceId, agent],
  );
}

/** Those of these messages of ours that are noted, as parts of any answer. */
export async function notedAmong(sql: Sql, spokenIds: readonly Snowflake[]): Promise<ReadonlySet<Snowflake>> {
  if (spokenIds.length === 0) return new Set();
  const rows = await sql.query<{ spoken_id: string }>(
    "select spoken_id from spoken where spoken_id = any($1::bigint[])",
    [spokenIds],
  );
  return new Set(rows.map((row) => row.spoken_id));
}

/** Forgets parts that were taken back: those from number `from` on. */
export async function dropSpoken(sql: Sql, messageId: Snowflake, from: number): Promise<void> {
  await sql.query("delete from spoken where message_id = $1 and part >= $2", [messageId, from]);
}

/** The message that one of ours answers; null for a message that is no answer of ours. */
export async function answeredBy(sql: Sql, spokenId: Snowflake): Promise<Snowflake | null> {
  const rows = await sql.query<{ message_id: string }>("select message_id from spoken where spoken_id = $1", [
    spokenId,
  ]);
  return rows[0]?.message_id ?? null;
}
