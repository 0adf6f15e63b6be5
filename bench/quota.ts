import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { randomFrom } from "../test/random.ts";
import { startRedis } from "../test/servers/redis.ts";
import { startGeminiSimulator } from "../test/simulators/gemini/simulator.ts";
import { pause } from "../test/soak/crew.ts";
import { machine, percentile, ratio } from "./machine.ts";
import type { CallReport } from "./quota-caller.ts";

const processes = 20;
const limits = { requestsPerMinute: 15, tokensPerMinute: 20_000, requestsPerDay: 1_000 };
/** Mentions that come by themselves, as a share of the limit; and all calls together in the overload. */
const mentionLoad = 0.25;
const overload = 1.6;

/** A new count of the limits begins with five seconds in which nothing is granted, and a provider's quiet minute would count as unused. */
const warmUpMs = 65_000;
/** What nobody notices. */
const unchangedMs = 250;

/**
 * Twenty processes share 15 requests a minute (P7): how much of the limit is used when everybody wants more, whether the provider would have refused
 * anything, how true the estimates are, and whether mentions wait longer while ambient talk asks for more than there is. `minutes` for each of three parts.
 */
export async function benchQuota(minutes: number): Promise<object> {
  const [redis, gemini] = await Promise.all([startRedis(), startGeminiSimulator({ ...limits, enforce: true })]);
  const callers = await Promise.all(Array.from({ length: processes }, () => startCaller(redis.url, gemini.url)));
  const reports: (CallReport & { readonly part: string })[] = [];
  let part = "warming up";
  for (const caller of callers)
    caller.on("message", (report: CallReport) => {
      if (part !== "warming up") reports.push({ ...report, part });
      // Everybody wants more as soon as they have something.
      if (part === "saturated") caller.send({ priority: "mention" });
    });
  const partMs = minutes * 60_000;
  try {
    await offer(callers, warmUpMs, { mention: mentionLoad, ambient: 0 });
    part = "quiet";
    await offer(callers, partMs, { mention: mentionLoad, ambient: 0 });
    part = "overloaded";
    await offer(callers, partMs, { mention: mentionLoad, ambient: overload - mentionLoad });
    part = "saturated";
    for (const caller of callers) caller.send({ priority: "mention" });
    await pause(warmUpMs);
    const from = Date.now();
    await pause(partMs);
    const used = occupancy(
      gemini.requests.map(({ at }) => at),
      from,
      Date.now(),
    );
    const estimates = (priority: CallReport["priority"]) => {
      const errors = reports.flatMap((one) =>
        one.estimatedMs === null || one.priority !== priority ? [] : [Math.abs(one.waitedMs - one.estimatedMs)],
      );
      return { p50: percentile(errors, 0.5), p90: percentile(errors, 0.9), samples: errors.length };
    };
    const waits = (when: string) => {
      const ms = reports
        .filter((one) => one.priority === "mention" && one.part === when)
        .map(({ waitedMs }) => waitedMs);
      return { p95: percentile(ms, 0.95), samples: ms.length };
    };
    const count = (priority: CallReport["priority"], answered: boolean) =>
      reports.filter((one) => one.priority === priority && (one.outcome === "answered") === answered).length;
    const figures = {
      used: Math.round(used * 1_000) / 1_000,
      violations: gemini.violations.length,
      mentionEstimateErrorMs: estimates("mention"),
      ambientEstimateErrorMs: estimates("ambient"),
      mentionWaitMs: { quiet: waits("quiet"), overloaded: waits("overloaded") },
      ambientAnswered: count("ambient", true),
      ambientRefused: count("ambient", false),
      mentionsFailed: count("mention", false),
    };
    const goals = {
      used: 0.97,
      violations: 0,
      mentionEstimateErrorP90Ms: 2_000,
      mentionP95MoreUnderOverloadMs: unchangedMs,
    };
    const { quiet, overloaded } = figures.mentionWaitMs;
    return {
      bench: "quota",
      processes,
      limits,
      minutesEach: minutes,
      figures,
      goals,
      ratioToGoal: {
        used: ratio(goals.used, figures.used),
        mentionEstimateErrorP90Ms: ratio(figures.mentionEstimateErrorMs.p90, goals.mentionEstimateErrorP90Ms),
        mentionP95MoreUnderOverloadMs: ratio(Math.max(0, overloaded.p95 - quiet.p95), unchangedMs),
      },
      machine: machine(),
    };
  } finally {
    for (const caller of callers) caller.kill("SIGKILL");
    await Promise.all([redis.close(), gemini.stop()]);
  }
}

/** How full the provider's minute was on average, seen once a second. */
function occupancy(arrivals: readonly number[], from: number, to: number): number {
  let sum = 0;
  let looks = 0;
  for (let at = from; at < to; at += 1_000, looks += 1)
    sum += arrivals.filter((one) => one > at - 60_000 && one <= at).length;
  return sum / looks / limits.requestsPerMinute;
}

async function startCaller(redisUrl: string, geminiUrl: string): Promise<ChildProcess> {
  const caller = fork(join(import.meta.dirname, "quota-caller.ts"), [], {
    env: { PATH: process.env["PATH"], REDIS_URL: redisUrl, GEMINI_URL: geminiUrl, LIMITS: JSON.stringify(limits) },
  });
  await once(caller, "message");
  return caller;
}

/** Lets calls come at random moments at these rates, each as a share of the limit, each from any of the processes. */
async function offer(callers: readonly ChildProcess[], forMs: number, rates: { mention: number; ambient: number }) {
  const random = randomFrom(7);
  const ends = performance.now() + forMs;
  const stream = async (priority: "mention" | "ambient", rate: number) => {
    if (rate === 0) return;
    const meanMs = 60_000 / (limits.requestsPerMinute * rate);
    for (;;) {
      const waitMs = -Math.log(1 - random()) * meanMs;
      if (performance.now() + waitMs > ends) return;
      await pause(waitMs);
      callers[Math.floor(random() * callers.length)]?.send({ priority });
    }
  };
  await Promise.all([stream("mention", rates.mention), stream("ambient", rates.ambient)]);
  await pause(Math.max(0, ends - performance.now()));
}
