import { startDiscordSimulator } from "../test/simulators/discord/simulator.ts";
import { startGeminiSimulator } from "../test/simulators/gemini/simulator.ts";
import { pause } from "../test/soak/crew.ts";
import { residentMb, spread } from "./machine.ts";
import { apiOf, build, timeOf } from "./place.ts";

/** A bot that runs. */
export interface Started {
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** Until the code that a turn runs through is compiled. */
const warmUp = 200;

/**
 * Asks a bot, warmed up, in an open loop of `perSecond` messages, in ten channels, with a simulated model that answers at once; `start` resolves when it
 * is ready. From each message to its answer on Discord, by the time in their ids; and how often the model was called.
 */
export async function measureTurns(
  start: (env: Readonly<Record<string, string>>) => Promise<Started>,
  { asked, perSecond }: { asked: number; perSecond: number },
) {
  const [simulator, gemini] = [await startDiscordSimulator(), await startGeminiSimulator()];
  const { ann, channels } = build(simulator, 2, 5);
  const { world } = simulator;
  const bot = await start({ ...apiOf(simulator), GEMINI_API_KEY: "x", GEMINI_BASE_URL: gemini.url });
  const messages: { readonly id: string; readonly channelId: string }[] = [];
  const began = performance.now();
  for (let n = 0; n < warmUp + asked; n += 1) {
    await pause(Math.max(0, began + (1_000 * n) / perSecond - performance.now()));
    const channel = channels[n % channels.length]!;
    messages.push(world.say({ channel, author: ann, text: `<@${world.reception.id}> question ${n}` }));
  }
  const answerTo = (message: (typeof messages)[number]) =>
    world.messages({ id: message.channelId }).find(({ replyTo }) => replyTo === message.id);
  while (messages.some((message) => answerTo(message) === undefined)) await pause(50);
  const samples = messages.map((message) => timeOf(answerTo(message)!.id) - timeOf(message.id));
  const rssMb = residentMb(bot.pid);
  await bot.stop();
  await Promise.all([simulator.close(), gemini.stop()]);
  const calls = (of: RegExp) =>
    gemini.requests.filter(({ operation, body }) => of.test(`${operation} ${taskOf(body)}`)).length;
  return {
    overheadMs: spread(samples.slice(warmUp)),
    generateCallsPerAnswer: calls(/generate/i) / messages.length,
    // Of what is kept: each message and its answer.
    documentCallsPer100Stored: Math.round((100 * 100 * calls(/DOCUMENT/)) / (2 * messages.length)) / 100,
    // One vector for each question that was not asked before.
    queryCallsPerQuestion: Math.round((100 * calls(/QUERY/)) / messages.length) / 100,
    rssMb,
  };
}

/** What a call for vectors wants them for; empty for others. */
function taskOf(body: Readonly<Record<string, unknown>>): string {
  const { taskType, requests } = body as { taskType?: string; requests?: readonly { taskType?: string }[] };
  return taskType ?? requests?.[0]?.taskType ?? "";
}
