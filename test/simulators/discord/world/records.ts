/** An id, or anything that has one: in another process only the ids are at hand. */
export type Ref = string | { readonly id: string };

export type PrivilegedIntent = "members" | "presences" | "content";

export interface User {
  readonly id: string;
  name: string;
  globalName: string | null;
  readonly bot: boolean;
  locale: string;
}

/** A user that an application speaks through; its application has the same id. */
export interface Bot extends User {
  readonly bot: true;
  /** All of them work; "Bot TOKEN" over REST, bare in IDENTIFY. */
  tokens: string[];
  /** Why no token works any more; null while they do. */
  revoked: string | null;
  /** What the developer portal allows it to ask for. */
  privileged: PrivilegedIntent[];
  /** Under "global", and under the id of a guild. */
  readonly commands: Map<string, Command[]>;
}

/** An application command as it was registered, with the ids that Discord added. */
export interface Command {
  readonly id: string;
  readonly name: string;
  readonly type: number;
  readonly options?: readonly CommandOption[];
  readonly [field: string]: unknown;
}

export interface CommandOption {
  readonly name: string;
  readonly type: number;
  readonly required?: boolean;
  readonly options?: readonly CommandOption[];
}

export interface Role {
  readonly id: string;
  name: string;
  permissions: bigint;
  position: number;
  mentionable: boolean;
  /** Set on the role that came with a bot. */
  readonly botId: string | null;
}

export interface Member {
  readonly userId: string;
  readonly joinedAt: number;
  nick: string | null;
  roles: string[];
  /** Null, or until when the member may only read. */
  timeoutUntil: number | null;
}

export interface Guild {
  readonly id: string;
  name: string;
  ownerId: string;
  preferredLocale: string;
  /** The first is @everyone and has the guild's id. */
  readonly roles: Map<string, Role>;
  readonly members: Map<string, Member>;
  unavailable: boolean;
}

export interface Overwrite {
  readonly id: string;
  readonly kind: "role" | "member";
  readonly allow: bigint;
  readonly deny: bigint;
}

export interface Channel {
  readonly id: string;
  readonly type: number;
  readonly guildId: string | null;
  name: string | null;
  topic: string | null;
  parentId: string | null;
  nsfw: boolean;
  position: number;
  overwrites: Overwrite[];
  lastMessageId: string | null;
  /** In a direct conversation: both ends. */
  readonly recipients: string[];
  readonly thread: Thread | null;
}

interface Thread {
  readonly ownerId: string;
  readonly members: Set<string>;
  archived: boolean;
  locked: boolean;
}

export interface Webhook {
  readonly id: string;
  readonly channelId: string;
  readonly guildId: string;
  readonly ownerId: string;
  readonly token: string;
  name: string;
}
