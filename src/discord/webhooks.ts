import * as z from "zod";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { linkTo } from "./link.ts";
import { DiscordRefused } from "./rest.ts";
import type { Voice } from "./voices.ts";

/** How an agent looks that speaks through webhooks. */
export interface Guise {
  readonly name: string;
  /** Null: the picture of the webhook itself. */
  readonly avatarUrl: string | null;
}

/** The webhooks that agents speak through in channels where they have no bot of their own; made by the bot where it may. */
export interface Webhooks {
  /** Null: this agent does not, or not here. */
  voiceOf(agent: string, envelope: Envelope, signal: AbortSignal): Promise<Voice | null>;
  /** The voices that something may have been said with here; empty unless some agent speaks so. */
  here(envelope: Envelope, signal: AbortSignal): Promise<readonly Voice[]>;
}

/** Discord refuses names with its own in them. */
const ownName = "agents";
/** A channel in which we may not have a webhook is asked again after this time. */
const askAgainMs = 10 * 60_000;

const webhook = z.object({ id: z.string(), token: z.string().optional(), application_id: z.string().nullish() });
type Usable = { readonly id: Snowflake; readonly token: string };

/** `guiseOf`: how an agent looks, if it speaks through webhooks at all; `isUsed`: whether any does. */
export function makeWebhooks(options: {
  reception: () => Voice;
  guiseOf: (agent: string) => Guise | null;
  isUsed: () => boolean;
  log: Logger;
}): Webhooks {
  const { reception, guiseOf, isUsed, log } = options;
  const known = new Map<Snowflake, { readonly found: Usable | null; readonly until: number }>();

  const find = async (channelId: Snowflake, signal: AbortSignal): Promise<Usable | null> => {
    const { rest, userId } = reception();
    const path = `/channels/${channelId}/webhooks` as const;
    const all = z.array(webhook).parse(await rest.call({ method: "GET", path, repeatable: true }, signal));
    const own = all.find((one) => one.application_id === userId && one.token !== undefined);
    if (own?.token !== undefined) return { id: own.id, token: own.token };
    const body = { name: ownName };
    const made = webhook.parse(await rest.call({ method: "POST", path, body, repeatable: false }, signal));
    return made.token === undefined ? null : { id: made.id, token: made.token };
  };
  const usable = async (channelId: Snowflake, signal: AbortSignal): Promise<Usable | null> => {
    const before = known.get(channelId);
    if (before !== undefined && before.until > Date.now()) return before.found;
    const found = await find(channelId, signal).catch((error: unknown) => {
      if (!(error instanceof DiscordRefused)) throw error;
      const reason = asError(error).message;
      log.warn({ component: "discord", channelId, reason }, "no webhook may be had here: the reception speaks");
      return null;
    });
    known.set(channelId, { found, until: found === null ? Date.now() + askAgainMs : Number.POSITIVE_INFINITY });
    return found;
  };
  const voiceIn = async (envelope: Envelope, agent: string | null, guise: Guise, signal: AbortSignal) => {
    if (envelope.guildId === null || envelope.interactionToken) return null;
    const found = await usable(envelope.channelId, signal);
    if (found === null) return null;
    const { channelId, conversationId } = envelope;
    const forget = () => void known.delete(channelId);
    const thread: Record<string, string> = conversationId === channelId ? {} : { thread_id: conversationId };
    const seat = { path: `/webhooks/${found.id}/${found.token}`, thread, ...guise, forget } as const;
    return { agent, userId: found.id, rest: reception().rest, webhook: seat } satisfies Voice;
  };
  return {
    voiceOf: async (agent, envelope, signal) => {
      const guise = guiseOf(agent);
      return guise === null ? null : voiceIn(envelope, agent, guise, signal);
    },
    here: async (envelope, signal) => {
      const voice = isUsed() ? await voiceIn(envelope, null, { name: ownName, avatarUrl: null }, signal) : null;
      return voice === null ? [] : [voice];
    },
  };
}

/** What stands above an answer through a webhook, which cannot reply: whom it answers, and where. */
export function referenceLine({ guildId, conversationId, messageId, author }: Envelope): string {
  return `-# ↪ [${author.name.replaceAll(/[[\]()]/g, "")}](${linkTo(guildId, conversationId, messageId)})`;
}
