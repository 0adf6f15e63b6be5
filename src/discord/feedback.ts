import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";

/** What somebody thinks of one of our messages. */
export interface Feedback {
  readonly spokenId: Snowflake;
  readonly userId: Snowflake;
  readonly value: 1 | -1;
}

/** Keeps it with the turn that was answered, in place of what the same person thought before; nothing for a message that is no answer. */
export async function noteFeedback(sql: Sql, { spokenId, userId, value }: Feedback): Promise<void> {
  await sql.query(
    `insert into feedback (message_id, user_id, value) select message_id, $2, $3 from spoken where spoken_id = $1
     on conflict (message_id, user_id) do update set value = excluded.value, at = now()`,
    [spokenId, userId, value],
  );
}

/** Takes it back, unless they have thought better of it since. */
export async function dropFeedback(sql: Sql, { spokenId, userId, value }: Feedback): Promise<void> {
  await sql.query(
    `delete from feedback where user_id = $2 and value = $3 and message_id = (select message_id from spoken where spoken_id = $1)`,
    [spokenId, userId, value],
  );
}
