/** Who would have had a notification: what allowed_mentions, the roles and the permissions of the author left over. */
export interface Pinged {
  readonly everyone: boolean;
  readonly users: string[];
  readonly roles: string[];
}

export interface Attachment {
  readonly id: string;
  readonly filename: string;
  readonly contentType: string;
  readonly size: number;
  /** The bytes as UTF-8. */
  readonly text: string;
  /** The path on the simulator under which the bytes are served. */
  readonly path: string;
  readonly base64: string;
}

interface Edit {
  readonly at: number;
  /** What it said before this edit. */
  readonly before: string;
  readonly pinged: Pinged;
}

/** One message as the simulator keeps it; deleted ones are kept too, with the time. */
export interface Message {
  readonly id: string;
  readonly channelId: string;
  readonly guildId: string | null;
  readonly authorId: string;
  /** The name shown: of the user, or of the webhook. */
  readonly authorName: string;
  readonly byBot: boolean;
  readonly type: number;
  content: string;
  readonly nonce: string | null;
  readonly createdAt: number;
  editedAt: number | null;
  deletedAt: number | null;
  /** The id of the message this one answers, from its message_reference. */
  readonly replyTo: string | null;
  /** As it was sent; null when it was left out, which lets everything ping. */
  allowedMentions: AllowedMentions | null;
  pinged: Pinged;
  readonly edits: Edit[];
  embeds: readonly Fields[];
  components: readonly Fields[];
  readonly stickers: readonly Fields[];
  /** A forwarded message, a poll. */
  readonly besides: Fields;
  attachments: Attachment[];
  /** Emoji to the ids of those who reacted. */
  readonly reactions: Record<string, string[]>;
  flags: number;
  readonly webhookId: string | null;
  readonly applicationId: string | null;
  readonly interactionId: string | null;
  /** Seen only by the user of the interaction; in no channel and on no gateway. */
  readonly ephemeral: boolean;
  threadId: string | null;
}

export type Fields = Readonly<Record<string, unknown>>;

export interface AllowedMentions {
  readonly parse?: readonly ("everyone" | "users" | "roles")[];
  readonly users?: readonly string[];
  readonly roles?: readonly string[];
  readonly replied_user?: boolean;
}

export const messageFlags = { suppressEmbeds: 4, ephemeral: 64, loading: 128, suppressNotifications: 4096 } as const;
