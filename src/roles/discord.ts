import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Reply } from "../chat/chat.ts";
import { makeModerationDesk } from "../desk.ts";
import { mustBeAllowed } from "../discord/allowed.ts";
import { buttonsUnderAnswer } from "../discord/buttons.ts";
import { makeCommands } from "../discord/commands.ts";
import { makeInteractions, type Interactions } from "../discord/interactions.ts";
import { inviteLink } from "../discord/invite.ts";
import { localeOf } from "../discord/phrases.ts";
import type { Places } from "../discord/places.ts";
import { makeDiscordRest, makeRefusalCounter, type DiscordRest } from "../discord/rest.ts";
import { makeSpeaker, type Speaker } from "../discord/speaker.ts";
import { makeVoices, typeIn, type Voices } from "../discord/voices.ts";
import { makeWebhooks, type Guise } from "../discord/webhooks.ts";
import type { Envelope, Snowflake } from "../envelope.ts";
import type { Heard } from "../gateway/dispatch.ts";
import { makeGateway } from "../gateway/gateway.ts";
import { makeHearing } from "../gateway/hearing.ts";
import { Unattended } from "../gateway/unattended.ts";
import { readLeftBehind, readLeftWaiting, readOutcome, readUntaken } from "../inbox/fates.ts";
import { referenceOf } from "../inbox/turns.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Agent } from "../settings/settings.ts";
import type { Readable } from "../memory/recall.ts";
import { extendRemembered, forgetDeleted, forgetEdited, forgetPlace, makePrivacyDesk } from "../privacy.ts";
import { deskOf, type Foundation, type RoleOptions } from "./foundation.ts";

/** Discord's REST API: the bot that listens, and the voices of agents that have one of their own. */
interface Discord {
  readonly rest: DiscordRest;
  readonly voices: Voices;
}

/** What voices stand on. */
interface VoiceParts {
  readonly notices: Pick<Foundation["notices"], "processes">;
  readonly settings: { current(): { readonly agents: readonly Pick<Agent, "name">[] } };
  readonly breakers: Pick<Foundation["breakers"], "discord">;
}

/** Opens nothing yet. */
export function makeVoicesOf(
  { config, metrics, log }: Pick<RoleOptions, "config" | "metrics" | "log">,
  { notices, settings, breakers }: VoiceParts,
): Discord {
  const { token, apiUrl: api, voices: tokens } = config.discord;
  // A gateway sends too: it types while no worker is there, and fetches what was missed.
  const processes = () => notices.processes("all-in-one", "gateway", "worker");
  const common = { api, processes, breaker: breakers.discord, refusals: makeRefusalCounter(processes), metrics, log };
  const open = (name: string, secret: string) => makeDiscordRest({ ...common, name, token: secret });
  const reception = open("the bot (DISCORD_TOKEN)", token ?? "");
  const agents = Object.fromEntries(
    Object.entries(tokens).map(([agent, secret]) => [agent, open(`the agent ${agent}`, secret)]),
  );
  const isAgent = (name: string) => settings.current().agents.some((agent) => agent.name === name);
  const voices = makeVoices({ reception, agents, isAgent, log });
  return { rest: reception, voices };
}

/** The mouth of the bot: speaks with the voices, and takes back what it said to those who took back their question. */
export function makeMouth(
  { config, log }: RoleOptions,
  { inbox, places, postgres, settings }: Foundation,
  { voices }: Discord,
): Speaker {
  const webhooks = makeWebhooks({
    reception: () => voices.reception(),
    guiseOf: (name) => guiseOf(settings.current().agents.find((agent) => agent.name === name)),
    isUsed: () => speakThroughWebhooks({ settings }),
    places,
    log,
  });
  const { apiUrl } = config.discord;
  const sql = postgres.database;
  const outcomeOf = (messageId: Snowflake) => readOutcome(sql, messageId);
  const leftBehind = (since: Snowflake) => readLeftBehind(sql, since);
  const speaker = makeSpeaker({ sql, outcomeOf, leftBehind, voices, webhooks, places, buttonsUnder, apiUrl, log });
  inbox.onRevoked((revoked) =>
    speaker.revoke(revoked.filter(({ isGone }) => isGone).map(({ messageId }) => messageId)),
  );
  return speaker;
}

function speakThroughWebhooks({ settings }: Pick<Foundation, "settings">): boolean {
  return settings.current().agents.some(({ voice }) => voice.webhook !== null);
}

function guiseOf(agent: Agent | undefined): Guise | null {
  const webhook = agent?.voice.webhook ?? null;
  return agent === undefined || webhook === null ? null : { name: agent.displayName, avatarUrl: webhook.avatarUrl };
}

/** People judge what an agent wrote, and may ask how it came about; an apology has no buttons. */
function buttonsUnder({ envelope, receipt }: Reply): readonly unknown[] {
  return receipt === null ? [] : buttonsUnderAnswer(envelope.messageId, localeOf(envelope.locale));
}

/** Where slash commands and buttons are answered, and the part that makes them known to Discord. */
export function makeCounter(
  { config, log }: RoleOptions,
  foundation: Foundation,
  { rest, voices }: Discord,
  status: (signal: AbortSignal) => Promise<Readonly<Record<string, unknown>>>,
): { counter: Interactions; commands: Component } {
  const { inbox, memory, places, tuning } = foundation;
  const { database } = foundation.postgres;
  const privacy = makePrivacyDesk({ database, inbox, memory, retentionDays: () => tuning.retentionDays() });
  const self = () => voices.reception().userId;
  const counter = makeInteractions({
    rest,
    sql: database,
    places,
    desk: { ...deskOf(foundation, status), ...privacy, ...makeModerationDesk(database) },
    self,
    guildId: config.discord.guildId,
    maxMessageChars: config.maxMessageChars,
    referenceOf,
    log,
  });
  return { counter, commands: makeCommands({ sql: database, rest, bot: self, log }) };
}

/** Discord's gateway, and everything that what it brings is stored into. */
export function makeEar(
  { config, metrics, log }: RoleOptions,
  foundation: Foundation,
  { rest, voices }: Discord,
  counter: Interactions,
): Component {
  const { token, guildId, shards, leaseMs, holdEvents, backfillMs } = config.discord;
  const { inbox, memory, postgres, places } = foundation;
  const { database } = postgres;
  const self = () => ({ userId: voices.reception().userId, voices: voices.byUser() });
  const store = makeHearing({
    database,
    inbox,
    places,
    rest,
    guildId,
    backfillMs,
    maxMessageChars: config.maxMessageChars,
    metrics,
    log,
    self,
    interact: (interaction, where, signal) => counter.answer(interaction, where, signal),
    revise: {
      forget: forgetDeleted,
      forgetPlace,
      reword: forgetEdited,
      extend: extendRemembered,
      drop: async (conversations) => void (await Promise.all(conversations.map((id) => memory.dropRecent(id)))),
    },
  });
  const unattended = new Unattended({
    self,
    guildId,
    waits: (messageIds) => readUntaken(database, messageIds),
    left: (most) => readLeftWaiting(database, most),
    mustBeAllowed: (spot, signal) =>
      mustBeAllowed({ ...spot, interactionToken: null }, voices.reception(), places, signal),
    type: ({ conversationId }, signal) => typeIn(conversationId, voices.reception(), signal),
    log,
  });
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  const invite = (id: Snowflake) => inviteLink(id, speakThroughWebhooks(foundation));
  const options = { database, rest, token: token ?? "", invite, owner, shards, leaseMs, holdEvents, metrics, log };
  const onHeard = (heard: Heard) => {
    if (heard.kind === "interaction") counter.begin(heard.interaction);
    unattended.heard(heard);
  };
  const [onTakenOver, onStop] = [() => unattended.connected(), () => unattended.stop()];
  return makeGateway({ ...options, store, onHeard, onTakenOver, onStop });
}

/** What people may be reminded of in a place: what everyone who reads it may read anyway. */
export function readableOnDiscord(places: Places): (envelope: Envelope) => Promise<Readable> {
  return async ({ guildId, conversationId }) => (guildId === null ? [] : places.readableFrom(guildId, conversationId));
}
