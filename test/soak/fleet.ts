import { temporaryFolder } from "../connections/fresh-database.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { runToEnd } from "../failure/process.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import type { User } from "../simulators/discord/world/records.ts";
import type { QuotaLimits } from "../simulators/gemini/quota.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import { makeHand, type Hand } from "./blows.ts";
import { countUnhandled, pause, startCrew, type Post } from "./crew.ts";
import { slowPosts, type SoakOptions } from "./discord.ts";
import { readBooks, untilAnswered } from "./ending.ts";
import { planSoak, strikeAnything, type Deed } from "./plan.ts";
import { limitsOf, quotaUsed } from "./quota.ts";
import { makeStage, type Conversation } from "./stage.ts";
import { tellTimeline, tellViolation } from "./timeline.ts";
import { holdsItsQuestion, judge, readAnswers, type Asked, type Verdict } from "./verdict.ts";

/** What it came to; `faults` tells what happened to the messages that something went wrong with, or that waited for more than two minutes. */
interface FleetReport extends Omit<Verdict, "faulty"> {
  /** Addressed messages that are not `answered` in Postgres. */
  readonly unanswered: number;
  /** What was left in the inbox. */
  readonly queued: number;
  /** Answers that another agent's voice has spoken. */
  readonly wrongVoice: number;
  readonly quotaViolations: number;
  /** The part of each of the model's limits that was used, in the busiest minute and in all: 1 when the limit was met. */
  readonly quotaUsed: Readonly<Record<keyof QuotaLimits, number>>;
  /** Errors that nobody had caught, and processes that ended by themselves, or otherwise than with 0 when they were told to. */
  readonly unhandled: number;
  readonly maxWaitMs: number;
  /** What was really done to the processes and the servers, and how many blows of the plan were not dealt. */
  readonly blows: Readonly<Record<string, number>>;
  readonly undealt: number;
  readonly seed: number;
  readonly seconds: number;
  readonly faults: readonly object[];
}

const crewRoles = ["gateway", "gateway", "worker", "worker", "worker", "worker"] as const;
/** Those with a voice of their own; the reception speaks for the third. */
const voiced = ["teo", "juno"] as const;
const agents = ["mira", ...voiced] as const;
const displayNames = { mira: "Mira", teo: "Teo", juno: "Juno" } as const;
type AgentName = (typeof agents)[number];

const mostTimelines = 5;
/** Longer than a minute's limit makes people wait that is used up, and a process that has just lost Redis. */
const longMs = 120_000;
/** The model answers with the question that stands in the message itself, not in a memory or an earlier line. */
const question = String.raw`(?<=<message by="[^"]*">[^]*)soak \d+ question \d+(?=</message>)`;
const model = "gemini-3.5-flash-lite";

interface Place {
  readonly simulator: DiscordSimulator;
  readonly gemini: Simulator;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  readonly stage: readonly Conversation[];
  readonly voices: Readonly<Record<string, User>>;
}

/**
 * Two gateways and four workers on one Postgres and one Redis, while one after the other is stopped, killed or paused, and what they stand on goes
 * away, is emptied and comes back. Everything must be answered, once, in order, by the voice that was asked for, within the model's limits.
 */
export async function soakFleet(options: SoakOptions): Promise<FleetReport> {
  const startedMs = Date.now();
  const limits = limitsOf(options.messages);
  const place = await openPlace(limits);
  const database = await place.postgres.createDatabase();
  const homes = await Promise.all(crewRoles.map(() => temporaryFolder()));
  const env = environment(place, database.url, limits);
  const migrated = await runToEnd([], { cwd: process.cwd(), env: { ...env, ROLE: "migrate" } });
  if (migrated.code !== 0) throw new Error(migrated.stderr.join("\n"));
  const posts: Post[] = homes.map(({ path }, bot) => ({ home: path, env: { ...env, ROLE: crewRoles[bot] ?? "" } }));
  const crew = await startCrew(posts, AbortSignal.timeout(60_000 + 1_000 * options.messages));
  try {
    const hand = makeHand({ ...place, crew });
    await live(options, place, hand);
    const blows = hand.dealt();
    const channels = place.stage.map(({ channel }) => channel.id);
    const { simulator } = place;
    await untilAnswered({
      simulator,
      channels,
      wanted: options.messages,
      isRight: holdsItsQuestion,
      url: database.url,
    });
    // What one of them has begun it finishes: nothing can come after this.
    await crew.stop();
    const seen = readAnswers(simulator, channels);
    const { asked } = seen;
    const { faulty, ...numbers } = judge(seen, holdsItsQuestion, 1, simulator.report().identifies);
    const { answered, queued } = await readBooks(database.url);
    const unanswered = asked.map(({ messageId }) => messageId).filter((id) => !answered.has(id));
    const misspoken = asked.filter((one) => !isSpokenRight(one, place)).map(({ messageId }) => messageId);
    const slow = asked.filter((one) => waitOf(one) > longMs).map(({ messageId }) => messageId);
    const told = [...new Set([...faulty, ...unanswered, ...misspoken, ...slow])].slice(0, mostTimelines);
    return {
      ...numbers,
      unanswered: unanswered.length,
      queued,
      wrongVoice: misspoken.length,
      quotaViolations: place.gemini.violations.length,
      quotaUsed: quotaUsed(place.gemini, model, limits),
      unhandled: countUnhandled(crew),
      maxWaitMs: Math.max(...asked.map(waitOf)),
      blows,
      undealt: options.kills - Object.values(blows).reduce((sum, count) => sum + count, 0),
      seed: options.seed,
      seconds: Math.round((Date.now() - startedMs) / 1_000),
      faults: [
        ...crew.crashes.map((crash) => ({ ...crash, role: crewRoles[crash.bot] })),
        ...place.gemini.violations.map((one) => tellViolation(one, { crew, hand })),
        ...(await Promise.all(told.map((id) => tellTimeline(id, { simulator, crew, url: database.url })))),
      ],
    };
  } finally {
    await crew.abandon();
    await Promise.all([place.simulator.close(), place.gemini.stop(), place.redis.close()]);
    await place.postgres.close();
    for (const home of homes) await home.remove();
  }
}

async function openPlace(limits: QuotaLimits): Promise<Place> {
  const [postgres, redis, gemini] = await Promise.all([
    startPostgres(),
    startRedis(),
    startGeminiSimulator({ ...limits, enforce: true }),
  ]);
  gemini.script({ on: "generate", times: null, quotes: question });
  const simulator = await startDiscordSimulator();
  simulator.faults.add(slowPosts);
  const { world } = simulator;
  const stage = makeStage(simulator);
  const voices = Object.fromEntries(
    voiced.map((name) => {
      const voice = world.addBot({ name, token: `sim-voice-${name}-0000` });
      for (const guild of world.everything().guilds) world.addMember(guild, voice);
      return [name, voice];
    }),
  );
  return { simulator, gemini, postgres, redis, stage, voices };
}

function environment(
  { simulator, gemini, redis }: Place,
  postgresql: string,
  limits: ReturnType<typeof limitsOf>,
): Readonly<Record<string, string>> {
  return {
    DISCORD_TOKEN: "sim-reception-token-0000",
    DISCORD_TOKEN_TEO: "sim-voice-teo-0000",
    DISCORD_TOKEN_JUNO: "sim-voice-juno-0000",
    DISCORD_API_URL: `${simulator.url}/api`,
    DISCORD_LEASE_SECONDS: "2",
    GEMINI_API_KEY: "sim",
    GEMINI_BASE_URL: gemini.url,
    GEMINI_MODEL: model,
    GEMINI_REQUESTS_PER_MINUTE: String(limits.requestsPerMinute),
    GEMINI_TOKENS_PER_MINUTE: String(limits.tokensPerMinute),
    GEMINI_REQUESTS_PER_DAY: String(limits.requestsPerDay),
    POSTGRESQL_URL: postgresql,
    REDIS_URL: redis.url,
    LOG_LEVEL: "debug",
  };
}

async function live(options: SoakOptions, place: Place, hand: Hand): Promise<void> {
  const { stage } = place;
  const { world } = place.simulator;
  const cast = { bots: crewRoles.length, people: stage.map(({ people }) => people.length) };
  const under: Promise<void>[] = [];
  let said = 0;
  for (const deed of planSoak({ ...options, cast, strike: strikeAnything })) {
    if (deed.afterMs > 0) await pause(deed.afterMs);
    if (deed.kind !== "say") {
      under.push(hand.deal(deed));
      continue;
    }
    const where = stage[deed.conversation];
    const author = where?.people[deed.author];
    if (where === undefined || author === undefined) throw new Error("the plan names somebody who is not there");
    said += 1;
    const text = `<@${world.reception.id}> ${displayNames[agentFor(deed)]}, soak ${options.seed} question ${said}`;
    world.say({ channel: where.channel, author, text });
  }
  await Promise.all(under);
}

function agentFor({ dice }: Deed & { kind: "say" }): AgentName {
  return agents[Math.floor(dice * agents.length)] ?? "mira";
}

/** In a guild each agent has its own voice; in a direct conversation with the reception, and without a voice, the reception names it. */
function isSpokenRight({ messageId, answers }: Asked, { simulator, voices }: Place): boolean {
  const [answer] = answers;
  if (answer === undefined) return true;
  const { content: text, guildId } = simulator.world.message(messageId);
  const agent = agents.find((name) => text.includes(` ${displayNames[name]},`));
  const voice = guildId === null || agent === undefined ? undefined : voices[agent];
  if (voice !== undefined) return answer.authorId === voice.id;
  return (
    answer.authorId === simulator.world.reception.id &&
    answer.content.startsWith(`**${displayNames[agent ?? "mira"]}:**`)
  );
}

function waitOf({ messageId, answers }: Asked): number {
  const timeOf = (id: string) => Number(BigInt(id) >> 22n);
  return answers[0] === undefined ? Number.POSITIVE_INFINITY : timeOf(answers[0].id) - timeOf(messageId);
}
