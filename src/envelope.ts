/** A Discord snowflake (or one made in its form by the terminal) as decimal digits; `bigint` in Postgres. */
export type Snowflake = string;

const discordEpochMs = 1_420_070_400_000;

/** When a snowflake was made, in milliseconds since 1970: Discord's own clock. */
export function momentOf(snowflake: Snowflake): number {
  return Number(BigInt(snowflake) >> 22n) + discordEpochMs;
}

/** The smallest snowflake of a moment, given in milliseconds since 1970. */
export function snowflakeAt(ms: number): Snowflake {
  return String(BigInt(Math.max(0, Math.floor(ms - discordEpochMs))) << 22n);
}

/** Who may read the place a message was written in. Memories of private places are not used elsewhere. */
export type Audience = "public" | "private" | "direct";

/** One message as it was heard, in the one form that every later step reads. Built and validated by the chat room. */
export interface Envelope {
  /** The identity of the message: what is stored, answered and remembered under this id happens once. */
  readonly messageId: Snowflake;
  /** Null in a direct conversation. */
  readonly guildId: Snowflake | null;
  readonly guildName: string | null;
  readonly channelId: Snowflake;
  readonly channelName: string;
  readonly audience: Audience;
  /** Messages of one conversation (a channel, a thread, a direct conversation) are answered in order. */
  readonly conversationId: Snowflake;
  readonly author: { readonly id: Snowflake; readonly name: string; readonly kind: "person" | "bot" | "self" };
  /** Trimmed, well-formed Unicode, at most `maxMessageChars` UTF-16 units. */
  readonly text: string;
  readonly receivedAt: Date;
  /** True when the writer turned to the bot: a direct conversation, a mention, a reply to it, the terminal. */
  readonly addressed: boolean;
  /** The agent whose own identity was mentioned or replied to, if any. */
  readonly addressedAgent: string | null;
  /** BCP 47 tag of the place ("en-US", "ja"), which chooses the language of full text search. */
  readonly locale: string | null;
  /** The message that this one replies to. */
  readonly repliedTo?: {
    readonly author: string;
    readonly text: string;
    /** So that it is forgotten with the message, or the person. */
    readonly messageId?: Snowflake;
    readonly authorId?: Snowflake;
  } | null;
  readonly attachments?: readonly Attachment[];
  /** Of a slash command: `application id/token`, which its answer goes through for 15 minutes. */
  readonly interactionToken?: string | null;
}

/** A file that came with a message. */
export interface Attachment {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  /** Such as `image/png`; null when nobody said. */
  readonly mediaType: string | null;
}

/** What comes first when there is not enough for everyone, best first. */
export type Priority = "mention" | "reply" | "ambient" | "background";

/** What a message asks about: its words, or those it points at when somebody only calls the bot to them. */
export function subjectOf({ text, repliedTo }: Pick<Envelope, "text" | "repliedTo">): string {
  return text.trim() === "" ? (repliedTo?.text ?? "") : text;
}

/** The border no recollection crosses: the guild, or the direct conversation when there is none. */
export function scopeOf(envelope: Pick<Envelope, "guildId" | "conversationId">): Snowflake {
  return envelope.guildId ?? envelope.conversationId;
}
