import type { Snowflake } from "../envelope.ts";
import { permission } from "./permissions.ts";

/** Where somebody invites the bot to their server, with exactly the permissions that it uses; `withWebhooks`: some agent speaks through them. */
export function inviteLink(applicationId: Snowflake, withWebhooks: boolean): string {
  const { viewChannel, sendMessages, sendMessagesInThreads, readMessageHistory, attachFiles } = permission;
  const always = viewChannel | sendMessages | sendMessagesInThreads | readMessageHistory | attachFiles;
  const permissions = always | (withWebhooks ? permission.manageWebhooks : 0n);
  return `https://discord.com/oauth2/authorize?client_id=${applicationId}&scope=bot+applications.commands&permissions=${permissions}`;
}
