import * as z from "zod";
import type { Snowflake } from "../envelope.ts";
import { asError, ForeseenError, mayPass } from "../errors.ts";
import type { Check, Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { isUnauthorized } from "./failures.ts";
import type { DiscordRest } from "./rest.ts";

/** A bot that speaks. */
export interface Voice {
  /** The agent it belongs to; null: the reception, which speaks for all that have no voice of their own. */
  readonly agent: string | null;
  readonly userId: Snowflake;
  readonly rest: DiscordRest;
  /** Where it speaks through a webhook of a channel; null: as a bot. */
  readonly webhook: WebhookSeat | null;
}

/** A webhook as a way to speak: its path is its credential. */
export interface WebhookSeat {
  readonly path: `/webhooks/${string}`;
  /** The query that names the thread; empty in the channel itself. */
  readonly thread: Readonly<Record<string, string>>;
  readonly name: string;
  readonly avatarUrl: string | null;
  /** It is gone: another one is to be found. */
  readonly forget: () => void;
}

/** Every bot that speaks for us. */
export interface Voices extends Component {
  /** The bot that listens; throws before the start. */
  reception(): Voice;
  /** The voices an agent may speak with, the best first; the last is the reception. */
  of(agent: string): readonly Voice[];
  /** Every one that speaks, the reception first. */
  all(): readonly Voice[];
  /** User id of a voice to its agent. */
  byUser(): ReadonlyMap<Snowflake, string>;
}

const me = z.object({ id: z.string() });

/** `agents`: those with a token of their own. A token that Discord refuses costs its agent the voice and nothing else. */
export function makeVoices(options: {
  reception: DiscordRest;
  agents: Readonly<Record<string, DiscordRest>>;
  /** Whether there is an agent of this name. */
  isAgent: (name: string) => boolean;
  log: Logger;
}): Voices {
  const { log } = options;
  let reception: Voice | null = null;
  const voices = new Map<string, Voice>();
  const refused = new Set<string>();
  const there = (): Voice => {
    if (reception === null)
      throw new ForeseenError("discord_closed", "Discord is not open yet", { kind: "retry", afterMs: 1_000 });
    return reception;
  };
  return {
    name: "discord",
    reception: there,
    of: (agent) => {
      const own = voices.get(agent);
      return own === undefined || own.rest.stopped() !== null ? [there()] : [own, there()];
    },
    all: () => [there(), ...voices.values()],
    byUser: () => new Map(voices.values().map(({ userId, agent }) => [userId, agent ?? ""])),
    start: async (signal) => {
      reception = {
        agent: null,
        userId: await userOf(options.reception, signal),
        rest: options.reception,
        webhook: null,
      };
      for (const [agent, rest] of Object.entries(options.agents)) {
        if (!options.isAgent(agent))
          log.warn({ component: "discord", agent }, "a token was set for an agent that there is not");
        try {
          voices.set(agent, { agent, userId: await userOf(rest, signal), rest, webhook: null });
        } catch (error) {
          if (mayPass(error) || signal.aborted) throw error;
          refused.add(agent);
          log.error(
            { component: "discord", agent, reason: asError(error).message },
            "the agent has no voice of its own: the reception speaks for it",
          );
        }
      }
    },
    stop: async () => {},
    check: async (): Promise<Check> => {
      const stopped = there().rest.stopped();
      if (stopped !== null) return { status: "unhealthy", details: { reason: stopped } };
      const mute = [...refused, ...voices.values().flatMap(({ agent, rest }) => (rest.stopped() ? [agent ?? ""] : []))];
      if (mute.length === 0) return { status: "healthy", details: { voices: voices.size } };
      return { status: "degraded", details: { voices: voices.size, refused: mute.join(", ") } };
    },
  };
}

/** Shows in a conversation that a voice types: for ten seconds, or until it writes. */
export async function typeIn(conversationId: Snowflake, { rest }: Voice, signal: AbortSignal): Promise<void> {
  await rest.call({ method: "POST", path: `/channels/${conversationId}/typing`, repeatable: false }, signal);
}

async function userOf(rest: DiscordRest, signal: AbortSignal): Promise<Snowflake> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
  try {
    return me.parse(await rest.call({ method: "GET", path: "/users/@me", repeatable: true }, patience)).id;
  } catch (error) {
    // Messages may wait for a new token; a process is not even started with this one.
    if (isUnauthorized(error)) throw new ForeseenError(error.code, error.message, { kind: "bury" });
    throw error;
  }
}
