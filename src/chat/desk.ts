import type { Snowflake } from "../envelope.ts";
import type { RecalledMemory, Receipt } from "./chat.ts";

/** Where somebody asks from; everything a desk answers is limited to it. */
export interface Place {
  readonly guildId: Snowflake | null;
  readonly channelId: Snowflake;
  readonly conversationId: Snowflake;
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
  /** The same report that `/status` serves. */
  status(signal: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
}
