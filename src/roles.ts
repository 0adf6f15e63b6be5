import { answer, giveUp } from "./answer.ts";
import type { Chat } from "./chat/chat.ts";
import type { Health } from "./chat/desk.ts";
import { showConfig, type Config } from "./config.ts";
import { makeDatabaseComponent } from "./connections/database.ts";
import { makePlaces, type Places } from "./discord/places.ts";
import type { Envelope, Priority } from "./envelope.ts";
import { makeDesk } from "./desk.ts";
import { makeHealthServer, type HealthServer } from "./http/health-server.ts";
import { makeConsumer } from "./inbox/consumer.ts";
import { makeInbox } from "./inbox/inbox.ts";
import type { Component } from "./lifecycle/component.ts";
import type { Run } from "./lifecycle/run.ts";
import type { Logger } from "./log.ts";
import { makeRetention } from "./memory/forget.ts";
import { makeMemory } from "./memory/memory.ts";
import type { Readable } from "./memory/recall.ts";
import { makeInProcessRecentTurns } from "./memory/recent-turns-in-process.ts";
import type { RecentTurns } from "./memory/recent-turns.ts";
import { makeEmbedding } from "./memory/vectors.ts";
import type { Metrics } from "./metrics.ts";
import { isModelFailure } from "./model/failures.ts";
import { makeGemini } from "./model/gemini.ts";
import { makeGovernor, type Governor } from "./model/governor.ts";
import { makeOffline } from "./model/offline.ts";
import { makeBreaker, type Breaker } from "./resilience/policies.ts";
import { makeInProcessRateLimits } from "./resilience/rate-limits-in-process.ts";
import { makeTargets } from "./resilience/targets.ts";
import { watchAgentsFile } from "./settings/file-settings.ts";
import type { Backing, Terminal } from "./terminal/terminal.ts";
import { makeThink } from "./think/graph.ts";
import { apologyFor } from "./think/ladder.ts";

export interface RoleOptions {
  readonly config: Config;
  readonly version: string;
  readonly dataDir: string;
  readonly agentsPath: string;
  /** The life of the process, as the health API reads it. */
  readonly lifecycle: Pick<Run, "isReady" | "hasStarted" | "failedForGood">;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/**
 * Everything in one process, with a terminal as its chat. Like every role it returns its parts in start order: the health API first, so that it answers
 * during the start and the stop; the consumer last, so that the first thing a stop does is to finish what is being answered.
 */
export function talkInTerminal(options: RoleOptions, terminal: Terminal): readonly Component[] {
  const core = makeCore(options, () => async () => "public");
  const { consumer, desk } = makeAnswering(options, core, terminal);
  const http = makeHttp(options, core, { host: "127.0.0.1", whenTaken: "next-free" }, () => components);
  const { settings, model, inbox, postgres, retention, embedding } = core;
  const backing = (): Backing => ({
    hear: (envelope) => inbox.keep(envelope, priorityOf(envelope)),
    desk: desk((signal) => http.status(signal)),
    drained: (signal) => consumer.drained(signal),
    facts: {
      agents: settings.current().agents.map((agent) => agent.displayName),
      model: model.offline ? "offline model; set GEMINI_API_KEY for Gemini" : model.name,
      dataDir: options.dataDir,
      version: options.version,
      httpUrl: http.url(),
    },
  });
  // Who is there is known as soon as the settings are read, while the database still opens.
  const greeted = afterStart(settings, () => terminal.connect(backing()));
  const components: readonly Component[] = [http, greeted, postgres, inbox, retention, embedding, terminal, consumer];
  return components;
}

export type Core = ReturnType<typeof makeCore>;

/** What every role has: the database, the inbox, memory and the model. */
export function makeCore(
  options: RoleOptions,
  readable: (places: Places) => (envelope: Envelope) => Promise<Readable>,
) {
  const { config, metrics, log } = options;
  const targets = makeTargets(config.targets, metrics, log);
  const breakers = makeBreakers(config, metrics);
  const settings = watchAgentsFile(options.agentsPath, log);
  const postgres = makeDatabaseComponent({ ...config.postgresql, folder: options.dataDir, metrics, log });
  const { database } = postgres;
  const places = makePlaces(database, 10_000);
  const alsoReadable = readable(places);
  const model = makeModel(config, breakers.gemini, metrics, log);
  const inbox = makeInbox({ database, alone: config.postgresql.url === null, log });
  const recentTurns = makeRecentTurns(config);
  const limits = config.memory;
  const breaker = breakers.memory;
  const memory = makeMemory({ database, recentTurns, model, breaker, metrics, targets, log, limits, alsoReadable });
  const embedding = makeEmbedding({ database, model, log, patienceMs: 5 * 60_000, everyMs: 5_000 });
  const retention = makeRetention({ database, days: config.memory.retentionDays, log });
  metrics.watchInbox(() => inbox.report());
  return { targets, breakers, settings, postgres, places, model, inbox, memory, embedding, retention };
}

/** The consumer of the inbox with all rooms that a message passes through, and what people may ask about them. */
export function makeAnswering({ config, metrics, log }: RoleOptions, core: Core, chat: Chat) {
  const { inbox, settings, memory, targets, model } = core;
  const rooms = { inbox, settings, memory, think: makeThink(model), chat, metrics, targets, log };
  const consumer = makeConsumer({
    inbox,
    answer: (turn, signal) => answer(turn, rooms, signal),
    giveUp: (turn, error) => giveUp(turn, apologyFor(turn, error), rooms),
    lanes: config.lanes,
    turnDeadlineMs: config.turnDeadlineMs,
    pollMs: 1_000,
    onStop: () => model.stopWaiting(),
    log,
  });
  const { database } = core.postgres;
  const desk = (status: (signal: AbortSignal) => Promise<Readonly<Record<string, unknown>>>) =>
    makeDesk({ database, memory, settings, health: () => healthOf(core), status });
  return { consumer, desk };
}

/** How well questions can be answered just now, for people. */
async function healthOf({ inbox, model, breakers }: Core): Promise<Health> {
  const { waiting, shortOfQuota } = await inbox.report();
  if (breakers.gemini.report().state === "open") return { waiting, model: "down" };
  return { waiting, model: shortOfQuota > 0 || model.waiting() > 0 ? "waiting" : "ready" };
}

/** The same part, with something to do as soon as it has started. */
function afterStart(component: Component, next: () => void): Component {
  return {
    ...component,
    start: async (signal, fatal) => {
      await component.start(signal, fatal);
      next();
    },
  };
}

/** The health API of a role. */
export function makeHttp(
  { config, version, lifecycle, metrics, log }: RoleOptions,
  { breakers, targets, settings, inbox, model }: Core,
  where: { host: string; whenTaken: "fail" | "next-free" },
  components: () => readonly Component[],
): HealthServer {
  return makeHealthServer({
    ...where,
    port: config.healthPort,
    version,
    environment: config.environment,
    components,
    lifecycle,
    breakers: () => ({ memory_operations: breakers.memory.report(), gemini_api: breakers.gemini.report() }),
    targets,
    configuration: () => showConfig(config),
    extraStatus: async () => ({
      settings: { revision: settings.current().revision, refused: settings.refused() },
      inbox: await inbox.report(),
      model: { name: model.name, offline: model.offline, vectors: model.embedder.space },
    }),
    metrics,
    log,
  });
}

function makeRecentTurns({ memory }: Config): RecentTurns {
  return makeInProcessRecentTurns({
    lines: memory.recentLines,
    maxAgeMs: memory.recentHours * 3_600_000,
    conversations: 1_000,
    now: () => Date.now(),
  });
}

function makeBreakers(config: Config, metrics: Metrics): { memory: Breaker; gemini: Breaker } {
  const states = { closed: 0, half_open: 1, open: 2 };
  const make = (name: string, failureThreshold: number, recoveryMs: number, counts: (error: unknown) => boolean) => {
    metrics.breakerState.set({ breaker: name }, 0);
    return makeBreaker({
      name,
      failureThreshold,
      recoveryMs,
      counts,
      onChange: (state) => metrics.breakerState.set({ breaker: name }, states[state]),
    });
  };
  return {
    memory: make("memory_operations", config.breaker.failureThreshold, config.breaker.recoveryMs, () => true),
    gemini: make("gemini_api", 3, 30_000, isModelFailure),
  };
}

function makeModel(config: Config, breaker: Breaker, metrics: Metrics, log: Logger): Governor {
  const { gemini } = config;
  const model = gemini.apiKey === null ? makeOffline() : makeGemini({ ...gemini, apiKey: gemini.apiKey });
  const limits = makeInProcessRateLimits(
    () => gemini,
    () => Date.now(),
  );
  return makeGovernor({
    model,
    limits,
    breaker,
    metrics,
    log,
    patienceMs: Math.max(1_000, config.turnDeadlineMs - 20_000),
  });
}

function priorityOf(envelope: Envelope): Priority {
  return envelope.addressed ? "mention" : "ambient";
}
