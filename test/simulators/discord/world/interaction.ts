import type { Fields, Message } from "./message.ts";

/** What a user did with a command, a button or a form, and everything the bot answered. */
export interface Interaction {
  readonly id: string;
  readonly token: string;
  /** 2 command, 3 component, 4 autocomplete, 5 modal. */
  readonly type: number;
  readonly data: Fields;
  readonly botId: string;
  readonly userId: string;
  readonly channelId: string;
  readonly guildId: string | null;
  readonly createdAt: number;
  /** The message whose button was pressed. */
  readonly messageId: string | null;
  /** Null until the bot called back; then how long that took. */
  respondedAfterMs: number | null;
  /** The type of the callback: 4 message, 5 deferred, 6 deferred update, 7 update, 8 autocomplete, 9 modal. */
  callbackType: number | null;
  /** What was sent with an autocomplete or modal callback. */
  callbackData: Fields | null;
  deferred: boolean;
  /** Whether the first response is for the user's eyes only. */
  ephemeral: boolean;
  /** The id of the first response, and its text as it is now; null while the bot "is thinking". */
  originalId: string | null;
  reply: string | null;
  /** When the deferred response got its text. */
  repliedAfterMs: number | null;
  /** Every message the bot sent to it, the first response included. */
  readonly messages: Message[];
  /** What the bot tried after a clock had run out, or twice. */
  readonly refused: { readonly afterMs: number; readonly code: number }[];
}
