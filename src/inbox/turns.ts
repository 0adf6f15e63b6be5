import type { Receipt } from "../chat/chat.ts";
import { withoutWaitingForDisk, type Sql } from "../connections/postgres.ts";
import { ForeseenError } from "../errors.ts";
import type { Attachment, Audience, Envelope, Priority, Snowflake } from "../envelope.ts";
import { bareReceipt, stillRead, type Source } from "./forgetting.ts";
import { isRememberedTurn, isSilencedTurn } from "./rules.ts";

/** A finished answer, stored before it is spoken. */
export interface Draft {
  readonly text: string;
  readonly receipt: Receipt;
}

/** One message on its way to its answer. */
export interface Turn {
  /** The message, with the words of those that the same person wrote on in the next seconds. */
  readonly envelope: Envelope;
  /** Each of them as it was written, in their order; the first gives the turn its identity. */
  readonly parts: readonly Envelope[];
  readonly priority: Priority;
  /** How often it has been taken up, this time included. */
  readonly attempts: number;
  /** Which taking up this is, by an id of its own: after a crash of Postgres that lost the last one, the count alone would name two. */
  readonly claim: string;
  /** How many of them failed; a wait for quota and a restart are no failures. */
  readonly faults: number;
  /** Finished by an earlier attempt, to be spoken as it is. */
  readonly draft: Draft | null;
  /** True when the draft may have been shown: an earlier attempt began to speak it and did not come back. */
  readonly maybeSpoken: boolean;
  /** False: nothing of it is kept once it is answered, because its writer has opted out, or who it replies to. */
  readonly remembered: boolean;
  /** True where moderators do not want the bot to speak. */
  readonly silenced: boolean;
  /** When it was taken up. */
  readonly takenAt: Date;
  /** pg-boss's identity of this very attempt; a stale one can no longer finish the turn. */
  readonly job: { readonly id: string; readonly retryCount: number };
}

interface TurnRow {
  message_id: Snowflake;
  guild_id: Snowflake | null;
  guild_name: string | null;
  channel_id: Snowflake;
  channel_name: string;
  conversation_id: Snowflake;
  audience: Audience;
  author_id: Snowflake;
  author_name: string;
  author_kind: "person" | "bot" | "self";
  text: string;
  locale: string | null;
  addressed: boolean;
  addressed_agent: string | null;
  received_at: Date;
  priority: Priority;
  attempts: number;
  claim: string;
  faults: number;
  draft: string | null;
  speaking_at: Date | null;
  receipt: Receipt | null;
  replied_to: (Envelope["repliedTo"] & object) | null;
  attachments: readonly Attachment[] | null;
  interaction_token: string | null;
  remembered: boolean;
  silenced: boolean;
}

/** What people decided about a turn, read when it is taken up. */
const rules = `${isRememberedTurn} as remembered, ${isSilencedTurn} as silenced`;

/** Stores messages that were heard, in their order; resolves to the ids of those that are new. */
export async function insertTurns(
  sql: Sql,
  heard: readonly { readonly envelope: Envelope; readonly priority: Priority }[],
): Promise<ReadonlySet<Snowflake>> {
  const rows = await sql.query<{ message_id: Snowflake }>(
    `insert into turns (${columns.join(", ")})
     select ${columns.join(", ")} from json_populate_recordset(null::turns, $1::json)
     on conflict (message_id) do nothing returning message_id`,
    [JSON.stringify(heard.map(({ envelope, priority }) => toRow(envelope, priority)))],
  );
  return new Set(rows.map((row) => row.message_id));
}

const columns = [
  "message_id",
  "guild_id",
  "guild_name",
  "channel_id",
  "channel_name",
  "conversation_id",
  "audience",
  "author_id",
  "author_name",
  "author_kind",
  "text",
  "locale",
  "addressed",
  "addressed_agent",
  "received_at",
  "priority",
  "replied_to",
  "attachments",
  "interaction_token",
  "state",
  "attempts",
  "faults",
] as const;

function toRow(envelope: Envelope, priority: Priority): Record<(typeof columns)[number], unknown> {
  return {
    message_id: envelope.messageId,
    guild_id: envelope.guildId,
    guild_name: envelope.guildName,
    channel_id: envelope.channelId,
    channel_name: envelope.channelName,
    conversation_id: envelope.conversationId,
    audience: envelope.audience,
    author_id: envelope.author.id,
    author_name: envelope.author.name,
    author_kind: envelope.author.kind,
    text: envelope.text,
    locale: envelope.locale,
    addressed: envelope.addressed,
    addressed_agent: envelope.addressedAgent,
    received_at: envelope.receivedAt,
    priority,
    replied_to: envelope.repliedTo ?? null,
    attachments: envelope.attachments ?? null,
    interaction_token: envelope.interactionToken ?? null,
    state: "waiting",
    attempts: 0,
    faults: 0,
  };
}

/**
 * Marks waiting turns as being answered and reads them whole; those already finished are left out. The transaction does not wait for the disk: what a
 * crash of Postgres undoes of it is taken up again, and whoever held the lost claim changes nothing any more (decision 0018).
 */
export async function takeUpTurns(
  sql: Sql,
  messageIds: readonly Snowflake[],
): Promise<Map<Snowflake, Omit<Turn, "job">>> {
  const rows = await sql.query<TurnRow>(
    `update turns set attempts = attempts + 1, claim = gen_random_uuid(), state = case when draft is null then 'answering' else 'drafted' end
     where message_id = any($1::bigint[]) and state in ('waiting', 'answering', 'drafted') returning *, ${rules}, ${withoutWaitingForDisk}`,
    [messageIds],
  );
  if (rows.length === 0) return new Map();
  const more = await sql.query<TurnRow & { answered_with: Snowflake }>(
    // Of one that was forgotten nothing is left to answer.
    `select *, ${rules} from turns where answered_with = any($1::bigint[]) and (text <> '' or attachments is not null) order by message_id`,
    [rows.map((row) => row.message_id)],
  );
  return new Map(
    rows.map((row) => {
      const parts = [row, ...more.filter((one) => one.answered_with === row.message_id)];
      const remembered = parts.every((part) => part.remembered);
      return [row.message_id, toTurn({ ...row, remembered }, parts.map(toEnvelope))];
    }),
  );
}

function toTurn(row: TurnRow, parts: readonly Envelope[]): Omit<Turn, "job"> {
  const [first] = parts;
  const own = first ?? toEnvelope(row);
  return {
    envelope: {
      ...own,
      text: parts.map(({ text }) => text).join("\n"),
      addressedAgent: parts.find(({ addressedAgent }) => addressedAgent !== null)?.addressedAgent ?? null,
      attachments: parts.flatMap(({ attachments = [] }) => attachments),
    },
    parts,
    priority: row.priority,
    attempts: row.attempts,
    claim: row.claim,
    faults: row.faults,
    draft: row.draft !== null && row.receipt !== null ? { text: row.draft, receipt: row.receipt } : null,
    maybeSpoken: row.speaking_at !== null,
    remembered: row.remembered,
    silenced: row.silenced,
    takenAt: new Date(),
  };
}

function toEnvelope(row: TurnRow): Envelope {
  return {
    messageId: row.message_id,
    guildId: row.guild_id,
    guildName: row.guild_name,
    channelId: row.channel_id,
    channelName: row.channel_name,
    conversationId: row.conversation_id,
    audience: row.audience,
    author: { id: row.author_id, name: row.author_name, kind: row.author_kind },
    text: row.text,
    receivedAt: row.received_at,
    addressed: row.addressed,
    addressedAgent: row.addressed_agent,
    locale: row.locale,
    repliedTo: row.replied_to,
    attachments: row.attachments ?? [],
    interactionToken: row.interaction_token,
  };
}

/**
 * Stores a finished answer; from here on a crash repeats this text and no other. Not that of an answer from words that were taken out or changed while it
 * was thought about: whoever did that could not find it yet.
 */
export async function storeDraft(sql: Sql, turn: Turn, draft: Draft, sources: readonly Source[]): Promise<void> {
  const { agent, model, promptRevision } = draft.receipt;
  const isWhole = `${stillRead("$9")} and (replied_to is not null or not $10::boolean)`;
  const assignments = `state = 'drafted', draft = case when ${isWhole} then $4::text end, receipt = $5, agent = $6, model = $7,
    prompt_revision = $8, speaking_at = now()`;
  const read = [JSON.stringify(sources), Boolean(turn.envelope.repliedTo)];
  await change(sql, turn, assignments, [
    draft.text,
    JSON.stringify(draft.receipt),
    agent,
    model,
    promptRevision,
    ...read,
  ]);
}

/** Remembers that something is about to be shown, so that a crash from here on is told as "may have been shown". */
export async function markSpeaking(sql: Sql, turn: Turn): Promise<void> {
  await change(sql, turn, "speaking_at = now()", []);
}

/** For how long a turn is put back, and why. */
export interface Delay {
  /** From now, by the clock of Postgres: those of processes differ. */
  readonly afterMs: number;
  readonly reason: string;
  /** True when an attempt failed; false when it has to wait its turn, or the process stops. */
  readonly fault: boolean;
}

/** Puts a turn back; resolves to when it may be taken up, by the clock of Postgres. */
export async function putBackTurn(sql: Sql, turn: Turn, { afterMs, reason, fault }: Delay): Promise<Date> {
  const state = "case when draft is null then 'waiting' else 'drafted' end";
  const until = "now() + make_interval(secs => $4::float8 / 1000)";
  const values = [afterMs, reason, fault ? 1 : 0];
  const row = await change(
    sql,
    turn,
    `state = ${state}, not_before = ${until}, error = $5, faults = faults + $6`,
    values,
  );
  return row.not_before;
}

/** The last state of a turn; `receipt` replaces the stored one when it is given. False: its draft was taken out, and no more than the tokens of it is kept. */
export async function finishTurn(
  sql: Sql,
  turn: Turn,
  end: {
    state: "answered" | "ignored" | "buried";
    error: string | null;
    reference: string | null;
    receipt: Receipt | null;
  },
): Promise<boolean> {
  const receipt = end.receipt && JSON.stringify(end.receipt);
  const whole = "coalesce($7::json, receipt)";
  const kept = `case when draft is null then ${bareReceipt(whole)} else ${whole} end`;
  const last = `state = $4, error = $5, error_reference = $6, receipt = ${kept}, finished_at = now()`;
  return (await change(sql, turn, last, [end.state, end.error, end.reference, receipt])).has_draft;
}

/** An attempt that was thought dead and comes back finds that the turn was taken up or revoked since, and changes nothing. */
async function change(
  sql: Sql,
  turn: Turn,
  assignments: string,
  values: readonly unknown[],
): Promise<{ readonly not_before: Date; readonly has_draft: boolean }> {
  const [row] = await sql.query<{ not_before: Date; has_draft: boolean }>(
    `update turns set ${assignments}
     where message_id = $1 and (attempts, claim) = ($2, $3::uuid) and state in ('answering', 'drafted') returning not_before, draft is not null as has_draft`,
    [turn.envelope.messageId, turn.attempts, turn.claim, ...values],
  );
  if (row !== undefined) return row;
  throw new ForeseenError("turn_taken_over", `turn ${turn.envelope.messageId} was taken over by another attempt`, {
    kind: "bury",
  });
}

/** The short reference that an apology gives, and under which the turn is found in `/status` and the log. */
export function referenceOf(messageId: string): string {
  return BigInt(messageId).toString(36).slice(-7);
}
