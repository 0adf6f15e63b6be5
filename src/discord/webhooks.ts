import * as z from "zod";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { DiscordRefused } from "./failures.ts";
import { linkTo } from "./link.ts";
import { permission, permissionsIn } from "./permissions.ts";
import type { Places } from "./places.ts";
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
  /** The voices that something may have been said with here; empty unless some agent speaks so. Makes none. */
  here(envelope: Envelope, signal: AbortSignal): Promise<readonly Voice[]>;
}

/** Discord refuses names with its own in them. */
const ownName = "agents";
/** A channel in which we may not have a webhook is asked again after this time. */
const askAgainMs = 10 * 60_000;

const webhook = z.object({ id: z.string(), token: z.string().optional(), application_id: z.string().nullish() });
type Usable = { readonly id: Snowflake; readonly token: string };
/** What is known of a channel. `isLast`: there is nothing more to be had. */
type Known = { readonly found: Usable | null; readonly isLast: boolean; readonly until: number };

/** `makes`: where there is none, one is made; `mayAsk`: whether Discord will tell. */
type Aim = { readonly mayAsk: boolean; readonly makes: boolean };

/** `guiseOf`: how an agent looks, if it speaks through webhooks at all; `isUsed`: whether any does. */
export function makeWebhooks(options: {
  reception: () => Voice;
  guiseOf: (agent: string) => Guise | null;
  isUsed: () => boolean;
  places: Places;
  log: Logger;
}): Webhooks {
  const { reception, guiseOf, isUsed, places, log } = options;
  const usable = makeFinder(reception, log);
  /** A webhook belongs to a channel; in its threads, private ones too, it speaks from there. `mayAsk`: whether the bot may know of its webhooks. */
  const channelOf = async ({ guildId, channelId }: Envelope) => {
    const place = guildId === null ? null : await places.of(guildId);
    if (place === null) return { channelId, mayAsk: false };
    const found = place.guild.channels.get(channelId);
    const home = found?.kind === "private-thread" ? (found.parentId ?? channelId) : channelId;
    const bits = permissionsIn(place.guild, home, { id: reception().userId, roles: place.ownRoles });
    return { channelId: home, mayAsk: (bits & permission.manageWebhooks) !== 0n };
  };
  /** `agent` null: for looking only. */
  const voiceIn = async (envelope: Envelope, agent: string | null, guise: Guise, signal: AbortSignal) => {
    const { conversationId } = envelope;
    if (envelope.guildId === null || envelope.interactionToken) return null;
    const { channelId, mayAsk } = await channelOf(envelope);
    const found = await usable.find(channelId, { mayAsk, makes: agent !== null }, signal);
    if (found === null) return null;
    const forget = () => usable.forget(channelId);
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

/** Finds our own webhook of a channel, remembers it, and makes it where there is none, if it is to speak. */
function makeFinder(reception: () => Voice, log: Logger) {
  const known = new Map<Snowflake, Known>();
  /** One at a time looks in a channel: two would make two webhooks there. */
  const looking = new Map<Snowflake, Promise<unknown>>();

  const ask = async (channelId: Snowflake, makes: boolean, signal: AbortSignal): Promise<Usable | null> => {
    const { rest, userId } = reception();
    const path = `/channels/${channelId}/webhooks` as const;
    const all = z.array(webhook).parse(await rest.call({ method: "GET", path, repeatable: true }, signal));
    const own = all.find((one) => one.application_id === userId && one.token !== undefined);
    if (own?.token !== undefined) return { id: own.id, token: own.token };
    if (!makes) return null;
    const body = { name: ownName };
    const made = webhook.parse(await rest.call({ method: "POST", path, body, repeatable: false }, signal));
    return made.token === undefined ? null : { id: made.id, token: made.token };
  };
  const look = async (channelId: Snowflake, { mayAsk, makes }: Aim, signal: AbortSignal): Promise<Usable | null> => {
    const before = known.get(channelId);
    if (before !== undefined && before.until > performance.now() && (before.isLast || !makes)) return before.found;
    // Each refused request counts against the bot; what we may is looked at again for the next answer.
    if (!mayAsk) return null;
    let isRefused = false;
    const found = await ask(channelId, makes, signal).catch((error: unknown) => {
      if (!(error instanceof DiscordRefused)) throw error;
      isRefused = true;
      const reason = asError(error).message;
      log.warn({ component: "discord", channelId, reason }, "no webhook may be had here: the reception speaks");
      return null;
    });
    const until = found === null ? performance.now() + askAgainMs : Number.POSITIVE_INFINITY;
    known.set(channelId, { found, isLast: makes || isRefused || found !== null, until });
    return found;
  };
  const find = async (channelId: Snowflake, aim: Aim, signal: AbortSignal): Promise<Usable | null> => {
    const before = looking.get(channelId) ?? Promise.resolve();
    const mine = before.then(() => look(channelId, aim, signal));
    const quiet = mine.catch(() => {});
    looking.set(channelId, quiet);
    try {
      return await mine;
    } finally {
      if (looking.get(channelId) === quiet) looking.delete(channelId);
    }
  };
  return { find, forget: (channelId: Snowflake) => void known.delete(channelId) };
}

/** What stands above an answer through a webhook, which cannot reply: whom it answers, and where. */
export function referenceLine({ guildId, conversationId, messageId, author }: Envelope): string {
  return `-# ↪ [${author.name.replaceAll(/[[\]()]/g, "")}](${linkTo(guildId, conversationId, messageId)})`;
}
