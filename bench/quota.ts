import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { randomFrom } from "../test/random.ts";
import { startRedis } from "../test/servers/redis.ts";
import { startGeminiSimulator } from "../test/simulators/gemini/simulator.ts";
import { pause } from "../test/soak/crew.ts";
import { machine, percentile } from "./machine.ts";
import type { CallReport } from "./quota-caller.ts";

const processes = 20;
const limits = { requestsPerMinute: 15, tokensPerMinute: 20_000, requestsPerDay: 1_000 };
/** Mentions that come by themselves, as a share of the limit; and all calls together in the overload. */
const mentionLoad = 0.25;
const overload = 1.6;

/** The provider's quiet start and end would count as unused. */
const warmUpMs = 65_000;

/**
 * Twenty processes share 15 requests a minute (P7): how much of the limit is used when everybody wants more, whether the provider would have refused
 * anything, how true the estimates are, and whether mentions wait longer while ambient talk asks for more than there is. `minutes` for each of three parts.
 */
export async function benchQuota(minutes: number): Promise<object> {
  const [redis, gemini] = await Promise.all([startRedis(), startGeminiSimulator({ ...limits, enforce: true })]);
  const callers = await Promise.all(Array.from({ length: processes }, () => startCaller(redis.url, gemini.url)));
  const reports: (CallReport & { readonly part: string })[] = [];
  let part = "quiet";
  for (const caller of callers)
    caller.on("message", (report: CallReport) => {
      reports.push({ ...report, part });
      // Everybody wants more as soon as they have something.
      if (part === "saturated") caller.send({ priority: "mention" });
    });
  const partMs = minutes * 60_000;
  try {
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
    const errors = reports.flatMap(({ estimatedMs, waitedMs, priority, part: when }) =>
      estimatedMs === null || priority !== "mention" || when === "overloaded" ? [] : [Math.abs(waitedMs - estimatedMs)],
    );
    const mentions = (when: string) => reports.filter((one) => one.priority === "mention" && one.part === when);
    const p95 = (when: string) =>
      percentile(
        mentions(when).map(({ waitedMs }) => waitedMs),
        0.95,
      );
    return {
      bench: "quota",
      processes,
      limits,
      minutesEach: minutes,
      figures: {
        used: Math.round(used * 1_000) / 1_000,
        violations: gemini.violations.length,
        estimateErrorMs: { p50: percentile(errors, 0.5), p90: percentile(errors, 0.9), samples: errors.length },
        mentionWaitMs: {
          quiet: { p95: p95("quiet"), samples: mentions("quiet").length },
          overloaded: { p95: p95("overloaded"), samples: mentions("overloaded").length },
        },
        ambientAnswered: reports.filter((one) => one.priority === "ambient" && one.outcome === "answered").length,
        ambientRefused: reports.filter((one) => one.priority === "ambient" && one.outcome !== "answered").length,
        mentionsFailed: reports.filter((one) => one.priority === "mention" && one.outcome !== "answered").length,
      },
      goals: {
        used: 0.97,
        violations: 0,
        estimateErrorP90Ms: 2_000,
        mentionP95: "unchanged under 60 % ambient overload",
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
