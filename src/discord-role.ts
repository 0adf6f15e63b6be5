import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Places } from "./discord/places.ts";
import { makeDiscordRest, type DiscordRest } from "./discord/rest.ts";
import { makeSpeaker } from "./discord/speaker.ts";
import { makeVoices, type Voices } from "./discord/voices.ts";
import type { Envelope } from "./envelope.ts";
import { makeGateway } from "./gateway/gateway.ts";
import { makeHearing } from "./gateway/hearing.ts";
import type { Component } from "./lifecycle/component.ts";
import { forgetSources, rewriteSource } from "./memory/forget.ts";
import type { Readable } from "./memory/recall.ts";
import { makeAnswering, makeCore, makeHttp, type Core, type RoleOptions } from "./roles.ts";

/** Everything in one process, on Discord. The gateway starts last and stops first: another process takes over while this one finishes. */
export function talkOnDiscord(options: RoleOptions): readonly Component[] {
  const core = makeCore(options, (places) => (envelope) => readableOf(places, envelope));
  const { postgres, settings, inbox, retention, embedding } = core;
  const { rest, voices, speaker } = makeMouth(options, core);
  const { consumer } = makeAnswering(options, core, speaker);
  const gateway = makeEar(options, core, rest, voices);
  inbox.onRevoked((messageIds, areGone) => {
    if (areGone) speaker.revoke(messageIds);
  });
  const http = makeHttp(options, core, { host: "0.0.0.0", whenTaken: "fail" }, () => components);
  const quiet = [http, settings, postgres, inbox, retention, embedding];
  const components: readonly Component[] = [...quiet, voices, speaker, consumer, gateway];
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
  const speaker = makeSpeaker({ sql: postgres.database, voices, places, buttonsUnder: () => [], apiUrl: api, log });
  return { rest: reception, voices, speaker };
}

/** Discord's gateway, and everything that what it brings is stored into. */
function makeEar({ config, metrics, log }: RoleOptions, core: Core, rest: DiscordRest, voices: Voices): Component {
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
    interact: async () => null,
    revise: {
      forget: forgetSources,
      rewrite: rewriteSource,
      drop: async (conversations) => void (await Promise.all(conversations.map((id) => memory.dropRecent(id)))),
    },
  });
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  const options = { database, rest, token: token ?? "", owner, shards, leaseMs, holdEvents, metrics, log };
  return makeGateway({ ...options, store, onHeard: () => {} });
}

/** What people may be reminded of in a place: what everyone who reads it may read anyway. */
async function readableOf(places: Places, { guildId, conversationId }: Envelope): Promise<Readable> {
  return guildId === null ? [] : places.readableFrom(guildId, conversationId);
}
