import { hostname } from "node:os";
import type { Desk, Health } from "../chat/desk.ts";
import { showConfig, type Config } from "../config.ts";
import { makeDatabaseComponent } from "../connections/database.ts";
import { makeRedis, type Cache } from "../connections/redis.ts";
import { openKubernetes } from "../connections/kubernetes.ts";
import { makeNotices, type Notices } from "../connections/notices.ts";
import { makePlaces, type Places } from "../discord/places.ts";
import type { Envelope } from "../envelope.ts";
import { makeDesk } from "../desk.ts";
import { makeHealthServer, type HealthServer } from "../http/health-server.ts";
import { makeInbox } from "../inbox/inbox.ts";
import { makeMissingToken } from "../cluster/missing-token.ts";
import { makeServing } from "../cluster/serving.ts";
import { electedOf, makeStatusWriter, revisionsOf } from "../cluster/status-writer.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Run } from "../lifecycle/run.ts";
import type { Logger } from "../log.ts";
import { makeRetention } from "../memory/forget.ts";
import { makeMemory } from "../memory/memory.ts";
import type { Readable } from "../memory/recall.ts";
import { makeInProcessRecentTurns } from "../memory/recent-turns-in-process.ts";
import { makeRedisRecentTurns } from "../memory/recent-turns-redis.ts";
import type { RecentTurns } from "../memory/recent-turns.ts";
import { makeEmbedding } from "../memory/vectors.ts";
import type { Metrics } from "../metrics.ts";
import { makeGemini } from "../model/gemini.ts";
import { withFallback } from "../model/fallback.ts";
import { makeGovernor, type Governor } from "../model/governor.ts";
import { makeOffline } from "../model/offline.ts";
import type { Breaker } from "../resilience/policies.ts";
import { makeInProcessRateLimits } from "../resilience/rate-limits-in-process.ts";
import { makeFleetRateLimits } from "../resilience/rate-limits-of-fleet.ts";
import { makeRedisRateLimits } from "../resilience/rate-limits-redis.ts";
import type { RateLimits } from "../resilience/rate-limits.ts";
import { makeTargets } from "../resilience/targets.ts";
import { makeTuning, type Tuning } from "../tuning.ts";
import { watchAgentsFile } from "../settings/file-settings.ts";
import { watchKubernetes } from "../settings/kubernetes-settings.ts";
import { watchSecretFiles } from "../settings/secret-files.ts";
import type { Settings } from "../settings/settings.ts";
import { guardOf, makeBreakers, reportsOf, type Breakers } from "./breakers.ts";

export interface RoleOptions {
  readonly config: Config;
  /** What files of SECRETS_DIR held when the configuration was read from them. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly version: string;
  readonly dataDir: string;
  readonly agentsPath: string;
  /** The life of the process, as the health API reads it. */
  readonly lifecycle: Pick<Run, "isReady" | "hasStarted" | "obstacleOf" | "failedForGood" | "requestStop">;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** What every role stands on. */
export type Foundation = ReturnType<typeof makeFoundation>;

/** Builds the database, the inbox, memory and the model; which of them are started, and in which order, is the role's to say. */
export function makeFoundation(
  options: RoleOptions,
  readable: (places: Places) => (envelope: Envelope) => Promise<Readable>,
) {
  const { config, metrics, log } = options;
  const tuning = makeTuning(config, log);
  const targets = makeTargets(config.targets, metrics, log);
  const breakers = makeBreakers(config, metrics);
  const { secrets, postgres, notices, redis, connections } = makeConnections(options, breakers);
  const { database } = postgres;
  const { settings, cluster, missingToken, leader } = makeSettings(options, tuning, database, notices);
  const places = makePlaces(database, notices, 10_000);
  const alone = config.postgresql.url === null;
  const inbox = makeInbox({ database, notices, alone, migrates: postgres.migrates, log });
  const { model, limits } = makeGoverned(options, tuning, breakers, { notices, cache: redis?.cache ?? null });
  const memory = makeMemory({
    database,
    recentTurns: makeRecentTurns(config, redis?.cache ?? null),
    model,
    breaker: breakers.memory,
    metrics,
    targets,
    log,
    limits: config.memory,
    alsoReadable: readable(places),
  });
  const embedding = makeEmbedding({ database, model, log, patienceMs: 5 * 60_000, everyMs: 5_000 });
  const retention = makeRetention({ database, days: () => tuning.retentionDays(), log });
  metrics.watchInbox(() => inbox.report());
  return {
    targets,
    tuning,
    breakers,
    /** At most one part, which starts before whatever may have to wait. */
    secrets,
    settings,
    /** None on a laptop. */
    cluster,
    leader,
    /** Of a process in a cluster that has no token of Discord. */
    missingToken,
    postgres,
    notices,
    /** In the order in which they are opened. */
    connections,
    /** Of a process that asks the model: each that counts takes a share. */
    limits,
    places,
    model,
    inbox,
    memory,
    embedding,
    retention,
  };
}

/** What the bot is like, and in a cluster the parts that tell it how its Agents fare. */
function makeSettings(
  { config, agentsPath, metrics, log }: RoleOptions,
  tuning: Tuning,
  sql: Sql,
  notices: Notices,
): {
  settings: Settings;
  cluster: readonly Component[];
  missingToken: readonly Component[];
  /** The pod that writes the status of the Agents; null: there is none, or it is not known. */
  leader: () => string | null;
} {
  if (config.agentsFrom === "file")
    return { settings: watchAgentsFile(agentsPath, log), cluster: [], missingToken: [], leader: () => null };
  const open = () => openKubernetes({ namespace: config.cluster.namespace });
  const hasVoice = (agent: string) => agent in config.discord.voices;
  const tune = { configMap: config.cluster.settingsConfigMap, take: tuning.take };
  const settings = watchKubernetes({ open, hasVoice, tune, metrics, log });
  const pod = config.cluster.pod ?? hostname();
  const revisions = () => revisionsOf(settings.states());
  const serving = makeServing({ sql, notices, pod, revisions, log });
  const model = config.gemini.apiKey === null ? "offline" : config.gemini.model;
  const status = makeStatusWriter({ settings, serving, pod, model, metrics, log });
  const missingToken = makeMissingToken({ api: () => settings.api(), pod, log });
  const leader = () => electedOf(serving);
  return { settings, cluster: [serving, status], missingToken: [missingToken], leader };
}

/** What leads out of the process, but for Discord and the model. */
function makeConnections(
  { config, secrets: given, dataDir, lifecycle, metrics, log }: RoleOptions,
  breakers: Breakers,
) {
  const migrates = config.role === "all-in-one" || config.role === "migrate";
  const guard = guardOf(breakers.postgres);
  const options = { ...config.postgresql, folder: dataDir, migrates, guard, metrics, log };
  const postgres = makeDatabaseComponent(options);
  const notices = makeNotices({ url: config.postgresql.url, role: config.role, log });
  const { url } = config.redis;
  const redis = url === null ? null : makeRedis({ url, guard: guardOf(breakers.redis), metrics, log });
  const onChange = () => lifecycle.requestStop();
  const folder = config.secretsDir;
  const secrets = folder === null ? [] : [watchSecretFiles({ folder, given, onChange, log })];
  const connections: readonly Component[] = redis === null ? [postgres, notices] : [postgres, notices, redis];
  return { secrets, postgres: { ...postgres, migrates }, notices, redis, connections };
}

/** What people may ask about the bot; `status` is the report that `/status` serves. */
export function deskOf(
  foundation: Foundation,
  status: (signal: AbortSignal) => Promise<Readonly<Record<string, unknown>>>,
): Desk {
  const { memory, settings, postgres } = foundation;
  return makeDesk({ database: postgres.database, memory, settings, health: () => healthOf(foundation), status });
}

/** How well questions can be answered just now, for people. */
async function healthOf({ inbox, model, breakers }: Foundation): Promise<Health> {
  const { waiting, shortOfQuota, withoutModel } = await inbox.report();
  const isDown = (breaker: Breaker | null) => breaker === null || breaker.report().state === "open";
  // The breakers of a process that never asks the model are always closed.
  if (withoutModel > 0 || (isDown(breakers.gemini) && isDown(breakers.fallback))) return { waiting, model: "down" };
  return { waiting, model: shortOfQuota > 0 || model.waiting() > 0 ? "waiting" : "ready" };
}

/** The health API of a role. */
export function makeHttp(
  { config, version, lifecycle, metrics, log }: RoleOptions,
  { breakers, targets, settings, inbox, leader, model, tuning }: Foundation,
  where: { host: string | null; whenTaken: "fail" | "next-free" },
  components: () => readonly Component[],
): HealthServer {
  return makeHealthServer({
    ...where,
    port: config.healthPort,
    version,
    environment: config.environment,
    statusToken: config.statusToken,
    components,
    lifecycle,
    breakers: () => reportsOf(breakers),
    targets,
    configuration: () => showConfig(tuning.config()),
    extraStatus: {
      cluster: () => {
        const { pod, node, namespace } = config.cluster;
        return { pod, node, namespace, leader: leader() };
      },
      missing: () => (config.discord.token === null && config.agentsFrom === "kubernetes" ? ["DISCORD_TOKEN"] : []),
      settings: () => ({ revision: settings.revision(), refused: settings.refused() }),
      inbox: () => inbox.report(),
      model: () => ({
        name: model.name,
        offline: model.offline,
        vectors: model.embedder.space,
        waiting: model.waiting(),
      }),
    },
    metrics,
    log,
  });
}

function makeRecentTurns({ memory }: Config, cache: Cache | null): RecentTurns {
  const now = () => Date.now();
  const limits = { lines: memory.recentLines, maxAgeMs: memory.recentHours * 3_600_000, now };
  return cache === null
    ? makeInProcessRecentTurns({ ...limits, conversations: 1_000 })
    : makeRedisRecentTurns(cache, limits);
}

/** The model behind its governor, and the part that counts its limits where other processes count them too. */
function makeGoverned(
  { config, metrics, log }: RoleOptions,
  tuning: Tuning,
  breakers: Breakers,
  { notices, cache }: { notices: Notices; cache: Cache | null },
): { model: Governor; limits: readonly Component[] } {
  const { gemini } = config;
  const { apiKey, fallbackModel } = gemini;
  // A first model that hangs must leave the other one its time.
  const silenceMs = Math.min(30_000, fallbackModel === null ? 30_000 : config.turnDeadlineMs / 3);
  const model = apiKey === null ? makeOffline() : makeGemini({ ...gemini, apiKey, silenceMs });
  const patienceMs = Math.max(1_000, config.turnDeadlineMs - 20_000);
  const govern = (limits: RateLimits) => {
    const common = { model, limits, metrics, log, patienceMs };
    const hurry = breakers.fallback && { repeatsWithinMs: 10_000 };
    const first = makeGovernor({ ...common, breaker: breakers.gemini, ...hurry });
    const governor =
      fallbackModel === null || breakers.fallback === null
        ? first
        : withFallback(first, makeGovernor({ ...common, breaker: breakers.fallback }), fallbackModel, log);
    tuning.onChange(() => governor.wake());
    return governor;
  };
  const counting = { limits: () => tuning.limits(), now: () => Date.now() };
  if (cache === null && config.postgresql.url === null)
    return { model: govern(makeInProcessRateLimits(counting)), limits: [] };
  const limits = makeFleetRateLimits({
    ...counting,
    shared: cache === null ? null : makeRedisRateLimits({ ...counting, cache }),
    buckets: [model.name, model.embedder.space, ...(fallbackModel === null ? [] : [fallbackModel])],
    countProcesses: () => notices.processes("all-in-one", "worker"),
    log,
  });
  return { model: govern(limits), limits: [limits] };
}
