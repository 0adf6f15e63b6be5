import type { Snowflake } from "../envelope.ts";
import type { RecalledMemory, Receipt } from "./chat.ts";

/** Where something was said. */
export interface Spot {
  readonly guildId: Snowflake | null;
  /** Of a public thread its parent, of all others the same as the conversation. */
  readonly channelId: Snowflake;
  readonly conversationId: Snowflake;
}

/** Where somebody asks from; everything a desk answers is limited to it. */
export interface Place extends Spot {
  readonly authorId: Snowflake;
  /** The channels whose memories may be shown here besides its own: all public ones, or these. */
  readonly alsoReadable: "public" | readonly Snowflake[];
}

/** Which memories to forget: the last thing the author said, all of the author's, one by id, or what words find. */
export type ForgetTarget =
  | { readonly kind: "last" }
  | { readonly kind: "me" }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "words"; readonly words: string };

/** What people may ask about the bot itself; the commands of a terminal (and later of Discord) are written on it. */
export interface Desk {
  /** In the order of the settings, the default first. */
  agents(): readonly {
    readonly name: string;
    readonly displayName: string;
    readonly description: string;
    readonly isDefault: boolean;
  }[];
  /** Best first when `words` is given, newest first otherwise; at most `limit`. */
  memories(place: Place, words: string | null, limit: number, signal: AbortSignal): Promise<readonly RecalledMemory[]>;
  /** What `forget` would remove. Empty when nothing matches. */
  matching(place: Place, target: ForgetTarget, signal: AbortSignal): Promise<readonly RecalledMemory[]>;
  /** Removes these from memory, hot and cold, and from the stored turns; resolves to how many memories went. */
  forget(place: Place, ids: readonly string[], signal: AbortSignal): Promise<number>;
  /** The receipt of the last answer in the conversation; null when there is none. */
  lastReceipt(place: Place, signal: AbortSignal): Promise<Receipt | null>;
  /** As `memories`, but only what the author of the place has said themselves. */
  ownMemories(
    place: Place,
    words: string | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly RecalledMemory[]>;
  /**
   * How an answer came about, with those of its memories that come from spots where `mayRead` is true; `forbidden` when it is not for the answer
   * itself, null when nothing is known of it.
   */
  receipt(which: Which, mayRead: MayRead, signal: AbortSignal): Promise<ShownReceipt | "forbidden" | null>;
  /** How well the bot can answer just now. */
  health(signal: AbortSignal): Promise<Health>;
  /** The same report that `/status` serves. */
  status(signal: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
}

/** One message, by its id, or the last of a conversation. */
export type Which =
  | { readonly kind: "message"; readonly messageId: Snowflake }
  | { readonly kind: "last"; readonly conversationId: Snowflake };

/** Whether whoever asks may read what is said in this spot. */
export type MayRead = (spot: Spot) => Promise<boolean>;

export interface ShownReceipt {
  /** Its memories are those that may be shown. */
  readonly receipt: Receipt;
  /** How many of its memories may not. */
  readonly hidden: number;
}

export interface Health {
  readonly waiting: number;
  /** `waiting`: out of quota for now. */
  readonly model: "ready" | "waiting" | "down";
}

/** Whose or which memory is to go: all that anybody knows of a person, some messages, all of a channel and its threads. Each with what was made from it. */
export type Forgotten =
  | { readonly kind: "person"; readonly personId: Snowflake }
  | { readonly kind: "messages"; readonly messageIds: readonly Snowflake[] }
  | { readonly kind: "channel"; readonly guildId: Snowflake; readonly channelId: Snowflake };

/** How much was removed, or would be. */
export interface Removed {
  readonly memories: number;
  /** Messages whose words, whose quotations or whose answers went out of the turns. */
  readonly turns: number;
  readonly vectors: number;
}

/** What people decide about what is kept of them. */
export interface PrivacyDesk {
  /** Null: kept until somebody has it forgotten. */
  readonly retentionDays: () => number | null;
  /** False for who has opted out: they are answered, and nothing of it is kept. */
  isRemembered(personId: Snowflake): Promise<boolean>;
  setRemembered(personId: Snowflake, wanted: boolean): Promise<void>;
  /** What `forgetAll` would remove. */
  concerned(what: Forgotten): Promise<Removed>;
  /** Removes it from turns, memories, vectors, hot memory and the queue. Doing it again removes what has come since. */
  forgetAll(what: Forgotten): Promise<Removed>;
  /** The last message of a person in a conversation that is still known. */
  lastOf(personId: Snowflake, conversationId: Snowflake): Promise<Snowflake | null>;
}

/** What was decided about a message, and the answer that people were given, where there is one. */
export interface Outcome {
  /** False: there is an answer, which is being given at this moment. */
  readonly isDecided: boolean;
  readonly answer: { readonly text: string; readonly receipt: Receipt } | null;
}

/** What became of a message. */
export interface Fate {
  readonly messageId: Snowflake;
  readonly authorId: Snowflake;
  readonly spot: Spot;
  readonly state: "waiting" | "answered" | "ignored" | "buried";
  /** Why it is in this state, in a plain sentence or a code; null when there is nothing to say. */
  readonly reason: string | null;
  /** What the person was told to quote; null when they were told nothing. */
  readonly reference: string | null;
}

/** What moderators do. */
export interface ModerationDesk {
  /** Nothing is answered in this channel, or guild, for so many minutes; null: until `resume`. Resolves to when that is over. */
  silence(placeId: Snowflake, byId: Snowflake, minutes: number | null): Promise<Date | null>;
  resume(placeId: Snowflake): Promise<void>;
  isSilent(spot: Spot): Promise<boolean>;
  /** Null: it was never heard. */
  fate(which: Which): Promise<Fate | null>;
}
