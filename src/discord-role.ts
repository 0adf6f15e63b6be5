import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Reply } from "./chat/chat.ts";
import type { Desk } from "./chat/desk.ts";
import { makeModerationDesk } from "./desk.ts";
import { buttonsUnderAnswer } from "./discord/buttons.ts";
import { makeCommands } from "./discord/commands.ts";
import { makeInteractions, type Interactions } from "./discord/interactions.ts";
import { localeOf } from "./discord/phrases.ts";
import type { Places } from "./discord/places.ts";
import { makeDiscordRest, type DiscordRest } from "./discord/rest.ts";
import { makeSpeaker } from "./discord/speaker.ts";
import { makeVoices, type Voices } from "./discord/voices.ts";
import type { Envelope } from "./envelope.ts";
import type { Heard } from "./gateway/dispatch.ts";
import { makeGateway } from "./gateway/gateway.ts";
import { makeHearing } from "./gateway/hearing.ts";
import { referenceOf } from "./inbox/turns.ts";
import type { Component } from "./lifecycle/component.ts";
import { forgetSources, rewriteSource } from "./memory/forget.ts";
import type { Readable } from "./memory/recall.ts";
import { makePrivacyDesk } from "./privacy.ts";
import { makeAnswering, makeCore, makeHttp, type Core, type RoleOptions } from "./roles.ts";

/** Everything in one process, on Discord. The gateway starts last and stops first: another process takes over while this one finishes. */
export function talkOnDiscord(options: RoleOptions): readonly Component[] {
  const core = makeCore(options, (places) => (envelope) => readableOf(places, envelope));
  const { postgres, settings, inbox, retention, embedding } = core;
  const { rest, voices, speaker } = makeMouth(options, core);
  const { consumer, desk } = makeAnswering(options, core, speaker);
  const counter = makeCounter(
    options,
    core,
    rest,
    voices,
    desk((signal) => http.status(signal)),
  );
  const gateway = makeEar(options, core, rest, voices, counter);
  inbox.onRevoked((messageIds, areGone) => {
    if (areGone) speaker.revoke(messageIds);
  });
  const bot = () => voices.reception().userId;
  const commands = makeCommands({ sql: postgres.database, rest, bot, log: options.log });
  const http = makeHttp(options, core, { host: "0.0.0.0", whenTaken: "fail" }, () => components);
  const quiet = [http, settings, postgres, inbox, retention, embedding];
  const components: readonly Component[] = [...quiet, voices, speaker, commands, consumer, gateway];
  return components;
}

/** Discord's REST API: the bot that listens, and the agents' own voices. */
function makeMouth({ config, metrics, log }: RoleOptions, { places, postgres, settings }: Core) {
  const { token, apiUrl: api, voices: tokens } = config.discord;
  const open = (name: string, secret: string) => makeDiscordRest({ name, token: secret, api, metrics, log });
  const reception = open("the bot (DISCORD_TOKEN)", token ?? "");
  const agents = Object.fromEntries(
    Object.entries(tokens).map(([agent, secret]) => [agent, open(`the agent ${agent}`, secret)]),
  );
  const isAgent = (name: string) => settings.current().agents.some((agent) => agent.name === name);
  const voices = makeVoices({ reception, agents, isAgent, log });
  const speaker = makeSpeaker({ sql: postgres.database, voices, places, buttonsUnder, apiUrl: api, log });
  return { rest: reception, voices, speaker };
}

/** People judge what an agent wrote, and may ask how it came about; an apology has no buttons. */
function buttonsUnder({ envelope, receipt }: Reply): readonly unknown[] {
  return receipt === null ? [] : buttonsUnderAnswer(envelope.messageId, localeOf(envelope.locale));
}

/** Where slash commands and buttons are answered. */
function makeCounter({ config, log }: RoleOptions, core: Core, rest: DiscordRest, voices: Voices, desk: Desk) {
  const { inbox, memory, places } = core;
  const { database } = core.postgres;
  const { retentionDays } = config.memory;
  const privacy = makePrivacyDesk({ database, inbox, memory, retentionDays });
  return makeInteractions({
    rest,
    sql: database,
    places,
    desk: { ...desk, ...privacy, ...makeModerationDesk(database) },
    self: () => voices.reception().userId,
    guildId: config.discord.guildId,
    maxMessageChars: config.maxMessageChars,
    referenceOf,
    log,
  });
}

/** Discord's gateway, and everything that what it brings is stored into. */
function makeEar(
  { config, metrics, log }: RoleOptions,
  core: Core,
  rest: DiscordRest,
  voices: Voices,
  counter: Interactions,
): Component {
  const { token, guildId, shards, leaseMs, holdEvents, backfillMs } = config.discord;
  const { inbox, memory, postgres, places } = core;
  const { database } = postgres;
  const store = makeHearing({
    database,
    inbox,
    places,
    rest,
    guildId,
    backfillMs,
    maxMessageChars: config.maxMessageChars,
    log,
    self: () => ({ userId: voices.reception().userId, voices: voices.byUser() }),
    interact: (interaction, where, signal) => counter.answer(interaction, where, signal),
    revise: {
      forget: forgetSources,
      rewrite: rewriteSource,
      drop: async (conversations) => void (await Promise.all(conversations.map((id) => memory.dropRecent(id)))),
    },
  });
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  const options = { database, rest, token: token ?? "", owner, shards, leaseMs, holdEvents, metrics, log };
  const onHeard = (heard: Heard) => {
    if (heard.kind === "interaction") counter.begin(heard.interaction);
  };
  return makeGateway({ ...options, store, onHeard });
}

/** What people may be reminded of in a place: what everyone who reads it may read anyway. */
async function readableOf(places: Places, { guildId, conversationId }: Envelope): Promise<Readable> {
  return guildId === null ? [] : places.readableFrom(guildId, conversationId);
}
