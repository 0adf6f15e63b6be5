import { temporaryFolder } from "../connections/fresh-database.ts";
import { startBot, type Answer } from "../failure/bot.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import { keepBacklog } from "./backlog.ts";

/** What a conversation under the provider's limits came to. */
export interface QuotaReport {
  readonly messages: number;
  readonly conversations: number;
  readonly seconds: number;
  readonly exit: number | null;
  readonly answered: number;
  readonly generateCalls: number;
  /** Calls that embedded stored memories, and calls that embedded a question. */
  readonly embedCalls: { readonly documents: number; readonly queries: number };
  readonly violations: number;
  readonly tightestWindowMs: number | null;
  /** Waits and deferrals as people were told of them, against the moment their call really arrived. */
  readonly estimates: {
    readonly shown: number;
    readonly deferred: number;
    readonly longestMs: number;
    readonly maxErrorMs: number;
    readonly p90ErrorMs: number;
    readonly over2s: number;
  };
}

/**
 * Has `messages` answered in `conversations` by the real product on a Gemini that counts `requestsPerMinute`. One
 * conversation is typed into its pipe; several wait in its inbox before it starts.
 */
export async function talkUnderQuota(options: {
  messages: number;
  conversations: number;
  requestsPerMinute: number;
  env?: Readonly<Record<string, string>>;
}): Promise<QuotaReport> {
  const simulator = await startGeminiSimulator({ requestsPerMinute: options.requestsPerMinute });
  const folder = await temporaryFolder();
  const lines = Array.from({ length: options.messages }, (_, i) => ({
    channel: `channel-${i % options.conversations}`,
    text: `question-${i}-asked`,
  }));
  if (options.conversations > 1) await keepBacklog(folder.path, lines);
  const startedMs = Date.now();
  const bot = startBot(folder.path, {
    GEMINI_API_KEY: "x",
    GEMINI_BASE_URL: simulator.url,
    GEMINI_REQUESTS_PER_MINUTE: String(options.requestsPerMinute),
    ...options.env,
  });
  try {
    if (options.conversations === 1) bot.say(...lines.map(({ text }) => text));
    bot.end();
    const exit = await bot.exited;
    const embeds = simulator.requests.filter(({ operation }) => /embed/i.test(operation));
    const generated = simulator.requests.filter(({ operation }) => !/embed/i.test(operation));
    return {
      messages: options.messages,
      conversations: options.conversations,
      seconds: Math.round((Date.now() - startedMs) / 100) / 10,
      exit,
      answered: new Set(bot.answers.map(({ messageId }) => messageId)).size,
      generateCalls: generated.length,
      embedCalls: {
        documents: embeds.filter(({ body }) => JSON.stringify(body).includes("RETRIEVAL_DOCUMENT")).length,
        queries: embeds.filter(({ body }) => JSON.stringify(body).includes("RETRIEVAL_QUERY")).length,
      },
      violations: simulator.violations.length,
      tightestWindowMs: tightestWindowMs(
        generated.map(({ at }) => at),
        options.requestsPerMinute,
      ),
      estimates: judgeEstimates(bot.log, arrivalsOf(simulator.requests, bot.answers)),
    };
  } finally {
    bot.kill("SIGKILL");
    await bot.exited;
    await simulator.stop();
    await folder.remove();
  }
}

/** When the call of each message arrived, by the message's id: ids are in the order in which the questions were asked. */
function arrivalsOf(requests: Simulator["requests"], answers: readonly Answer[]): ReadonlyMap<string, number> {
  const arrivals = new Map<number, number>();
  for (const { body, at } of requests) {
    const question = /<message [^>]*>question-(\d+)-asked/.exec(textOf(body))?.[1];
    if (question !== undefined) arrivals.set(Number(question), at);
  }
  const ids = [...new Set(answers.map(({ messageId }) => messageId))].toSorted((a, b) =>
    BigInt(a) < BigInt(b) ? -1 : 1,
  );
  return new Map(ids.map((id, question) => [id, arrivals.get(question) ?? Number.NaN]));
}

/** The shortest time in which one call more than the minute allows has arrived; under 60 s is a violation. */
function tightestWindowMs(arrivals: readonly number[], allowed: number): number | null {
  const windows = arrivals.slice(allowed).map((at, i) => at - (arrivals[i] ?? 0));
  return windows.length === 0 ? null : Math.min(...windows);
}

function textOf({ contents = [] }: Simulator["requests"][number]["body"]): string {
  return contents.flatMap(({ parts }) => (parts ?? []).map(({ text }) => text ?? "")).join("\n");
}

type LogLine = Readonly<Record<string, unknown>>;

function judgeEstimates(log: readonly LogLine[], arrivals: ReadonlyMap<string, number>): QuotaReport["estimates"] {
  const told = log.flatMap((line) => {
    const { messageId, time, waitMs, until, msg } = line;
    const arrivedAt = arrivals.get(String(messageId));
    if (arrivedAt === undefined) return [];
    const saidAt = Date.parse(String(time));
    if (msg === "waiting") return [{ waitMs: Number(waitMs), error: Math.abs(saidAt + Number(waitMs) - arrivedAt) }];
    if (msg !== "deferred") return [];
    const dueAt = Date.parse(String(until));
    return [{ waitMs: dueAt - saidAt, error: Math.abs(dueAt - arrivedAt) }];
  });
  const errors = told.map(({ error }) => error).toSorted((a, b) => a - b);
  return {
    shown: told.length,
    deferred: log.filter(({ msg }) => msg === "deferred").length,
    longestMs: Math.max(0, ...told.map(({ waitMs }) => waitMs)),
    maxErrorMs: errors.at(-1) ?? 0,
    p90ErrorMs: errors[Math.ceil(errors.length * 0.9) - 1] ?? 0,
    over2s: errors.filter((error) => error > 2_000).length,
  };
}
