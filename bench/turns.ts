import type { TestDatabase } from "../test/servers/postgres.ts";
import { startDiscordSimulator } from "../test/simulators/discord/simulator.ts";
import { startGeminiSimulator } from "../test/simulators/gemini/simulator.ts";
import { pause } from "../test/soak/crew.ts";
import { residentMb, spread } from "./machine.ts";
import { apiOf, build, runRole, stop, timeOf, untilReady, type Program } from "./place.ts";

/** Until the code that a turn runs through is compiled. */
const warmUp = 200;

/**
 * Asks one process of the product, warmed up, in an open loop of `perSecond` messages, in ten channels, with a simulated model that answers at once; `env` is added to its
 * environment. From each message to its answer on Discord, by the time in their ids; and how often the model was called.
 */
export async function measureTurns(
  database: TestDatabase,
  program: Program,
  { asked, perSecond, env }: { asked: number; perSecond: number; env: Readonly<Record<string, string>> },
) {
  const [simulator, gemini] = [await startDiscordSimulator(), await startGeminiSimulator()];
  const { ann, channels } = build(simulator, 2, 5);
  const { world } = simulator;
  const model = { GEMINI_API_KEY: "x", GEMINI_BASE_URL: gemini.url };
  const bot = await runRole("all-in-one", database, { ...apiOf(simulator), ...model, ...env }, program);
  await untilReady(bot);
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
  await stop(bot);
  await Promise.all([simulator.close(), gemini.stop()]);
  const isEmbedding = ({ operation }: { operation: string }) => /embed/i.test(operation);
  return {
    overheadMs: spread(samples.slice(warmUp)),
    generateCallsPerAnswer: gemini.requests.filter((one) => !isEmbedding(one)).length / messages.length,
    embeddingCalls: gemini.requests.filter(isEmbedding).length,
    rssMb,
  };
}
