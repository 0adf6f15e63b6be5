import type { AllowedMentions, Pinged } from "./message.ts";
import { channelPermissions, permissions } from "./permissions.ts";
import type { Channel } from "./records.ts";
import type { State } from "./state.ts";

/** What a text mentions, outside of code. */
interface Mentioned {
  readonly everyone: boolean;
  readonly users: string[];
  readonly roles: string[];
}

function mentionsIn(text: string): Mentioned {
  const plain = text.replaceAll(/```[^]*?```|``[^]*?``|`[^`\n]*`/gu, " ");
  const ids = (pattern: RegExp) => [...new Set([...plain.matchAll(pattern)].map(([, id]) => id ?? ""))];
  return {
    everyone: /@(?:everyone|here)\b/u.test(plain),
    users: ids(/<@!?(\d+)>/gu),
    roles: ids(/<@&(\d+)>/gu),
  };
}

interface Said {
  readonly text: string;
  readonly channel: Channel;
  /** Null: a webhook, which may ping whatever it likes. */
  readonly authorId: string | null;
  readonly allowed: AllowedMentions | null;
  readonly repliedTo: string | null;
}

/**
 * Who gets a notification. Without allowed_mentions everything in the text does, and the author of the message that is
 * answered; with it only what it lists; and never a role that is not mentionable or @everyone without the permission.
 */
export function pingedBy(state: State, said: Said): Pinged {
  const { text, channel, authorId, allowed, repliedTo } = said;
  const mentioned = mentionsIn(text);
  const guild = channel.guildId === null ? null : state.guild(channel.guildId);
  const trusted =
    authorId === null || (channelPermissions(state, channel, authorId) & permissions.mentionEveryone) !== 0n;
  const parse = new Set<string>(allowed === null ? ["everyone", "users", "roles"] : (allowed.parse ?? []));
  const lets = (kind: "users" | "roles", id: string) => parse.has(kind) || allowed?.[kind]?.includes(id) === true;
  const users = mentioned.users.filter((id) => state.users.has(id) && lets("users", id));
  const pingsReplied = allowed === null || allowed.replied_user === true;
  if (repliedTo !== null && pingsReplied && state.users.has(repliedTo) && !users.includes(repliedTo))
    users.push(repliedTo);
  return {
    everyone: guild !== null && mentioned.everyone && trusted && parse.has("everyone"),
    users,
    roles: mentioned.roles.filter((id) => {
      const role = guild?.roles.get(id);
      return role !== undefined && (role.mentionable || trusted) && lets("roles", id);
    }),
  };
}
