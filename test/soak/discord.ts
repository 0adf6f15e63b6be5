import { percentile } from "../../bench/machine.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { createDatabase, startPostgres } from "../servers/postgres.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { countUnhandled, pause, startCrew, type Crew } from "./crew.ts";
import { readBooks, untilAnswered } from "./ending.ts";
import { planSoak, strikeProcess } from "./plan.ts";
import { makeStage, type Conversation } from "./stage.ts";
import { tellTimeline } from "./timeline.ts";
import { judge, readAnswers, type IsRight, type Verdict } from "./verdict.ts";

/** What is to be lived through. */
export interface SoakOptions {
  readonly messages: number;
  readonly kills: number;
  readonly seed: number;
}

/** What it came to; `faults` tells what happened to the messages that something went wrong with. */
interface SoakReport extends Omit<Verdict, "faulty"> {
  /** Addressed messages that are not `answered` in the database. */
  readonly unanswered: number;
  /** What was left in the inbox. */
  readonly queued: number;
  /** Errors that nobody had caught, and processes that ended by themselves, or otherwise than with 0 when they were told to. */
  readonly unhandled: number;
  readonly handoverMs: { readonly p50: number; readonly max: number };
  /** Processes that were really ended, and blows of the plan that were not dealt. */
  readonly killed: number;
  readonly undealt: number;
  readonly seed: number;
  readonly seconds: number;
  readonly faults: readonly object[];
}

const mostTimelines = 5;
/** Discord has posted an answer this long before it says so: the moment in which a kill hurts most. */
export const slowPosts = {
  on: "rest",
  fault: "act-then-delay",
  method: "POST",
  path: "^/channels/\\d+/messages$",
  delayMs: 150,
  times: null,
} as const;

/** The offline model says the same to all of them: neither an apology nor a notice ends so. */
const isRight: IsRight = (_, answer) => answer.endsWith("(I am offline: I only quote what I remember.)");

/**
 * Two processes of one bot on one Postgres server; people talk to it in several places while one process after the other is stopped or killed and
 * comes back. Everything must be answered, once, in order, in the one session of the gateway.
 */
export async function soakDiscord(options: SoakOptions): Promise<SoakReport> {
  const startedMs = Date.now();
  const server = process.env["POSTGRESQL_URL"] === undefined ? await startPostgres() : null;
  const database = await createDatabase(server?.url ?? process.env["POSTGRESQL_URL"] ?? "", `soak_${startedMs}`);
  const simulator = await startDiscordSimulator();
  const stage = makeStage(simulator);
  simulator.faults.add(slowPosts);
  const homes = [await temporaryFolder(), await temporaryFolder()];
  const env = {
    DISCORD_TOKEN: "sim-reception-token-0000",
    DISCORD_API_URL: `${simulator.url}/api`,
    DISCORD_LEASE_SECONDS: "2",
    POSTGRESQL_URL: database.url,
    LOG_LEVEL: "debug",
  };
  const posts = homes.map(({ path }) => ({ home: path, env }));
  const crew = await startCrew(posts, AbortSignal.timeout(60_000 + 1_000 * options.messages));
  try {
    await live(options, { simulator, stage, crew });
    const channels = stage.map(({ channel }) => channel.id);
    await untilAnswered({ simulator, channels, wanted: options.messages, isRight, url: database.url });
    // What one of them has begun it finishes: nothing can come after this.
    await crew.stop();
    const seen = readAnswers(simulator, channels);
    const { faulty, ...numbers } = judge(seen, isRight, 1, simulator.report().identifies);
    const { answered, queued } = await readBooks(database.url);
    const unanswered = seen.asked.map(({ messageId }) => messageId).filter((id) => !answered.has(id));
    const told = [...new Set([...faulty, ...unanswered])].slice(0, mostTimelines);
    const killed = crew.moments.filter(({ what }) => what === "SIGTERM" || what === "SIGKILL").length;
    return {
      ...numbers,
      unanswered: unanswered.length,
      queued,
      unhandled: countUnhandled(crew),
      handoverMs: handovers(crew),
      killed,
      undealt: options.kills - killed,
      seed: options.seed,
      seconds: Math.round((Date.now() - startedMs) / 1000),
      faults: [
        ...crew.crashes,
        ...(await Promise.all(told.map((id) => tellTimeline(id, { simulator, crew, url: database.url })))),
      ],
    };
  } finally {
    await crew.abandon();
    await simulator.close();
    await database.drop();
    await server?.close();
    for (const home of homes) await home.remove();
  }
}

async function live(
  options: SoakOptions,
  { simulator, stage, crew }: { simulator: DiscordSimulator; stage: readonly Conversation[]; crew: Crew },
): Promise<void> {
  const { world } = simulator;
  const cast = { bots: 2, people: stage.map(({ people }) => people.length) };
  const killed: Promise<void>[] = [];
  let said = 0;
  for (const deed of planSoak({ ...options, cast, strike: strikeProcess })) {
    if (deed.afterMs > 0) await pause(deed.afterMs);
    if (deed.kind !== "say") {
      if (deed.kind === "kill") killed.push(crew.kill(deed.bot, deed.signal, deed.forMs));
      continue;
    }
    const place = stage[deed.conversation];
    const author = place?.people[deed.author];
    if (place === undefined || author === undefined) throw new Error("the plan names somebody who is not there");
    said += 1;
    world.say({
      channel: place.channel,
      author,
      text: `<@${world.reception.id}> soak ${options.seed} question ${said}`,
    });
  }
  await Promise.all(killed);
}

const sessionLines = new Set(["the session was resumed", "the session was identified"]);

/** From each end of the process that held the connection to the moment when the other one had resumed. */
function handovers(crew: Crew): { p50: number; max: number } {
  const sessions = crew
    .logs()
    .flatMap(({ bot, line }) =>
      sessionLines.has(String(line["msg"])) ? [{ at: Date.parse(String(line["time"])), bot }] : [],
    );
  const gaps = crew.moments.flatMap(({ at, bot, what }) => {
    if (what !== "SIGTERM" && what !== "SIGKILL") return [];
    const holder = sessions.findLast((session) => session.at <= at);
    const next = sessions.find((session) => session.at > at);
    return holder?.bot === bot && next !== undefined ? [next.at - at] : [];
  });
  return { p50: percentile(gaps, 0.5), max: gaps.length === 0 ? Number.NaN : Math.max(...gaps) };
}
