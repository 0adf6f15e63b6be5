import { afterAll, afterEach, beforeAll, expect, vi } from "vitest";
import { answersIn, furnish, patience, startDiscordBot } from "../failure/discord-bot.ts";
import type { Watched } from "../failure/process.ts";
import { openServerHome, type Home } from "../servers/databases.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGeminiSimulator, type Simulator } from "../simulators/gemini/simulator.ts";
import type { TestNamespace } from "./cluster.ts";

/** An Agent as the API server gives it. */
interface AgentObject {
  readonly metadata: { readonly resourceVersion: string; readonly generation: number };
  readonly status?: {
    readonly serving: string;
    readonly observedGeneration: number;
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** The manifest of an agent that is good at everything. */
export const agent = (name: string, spec: Record<string, unknown>) =>
  JSON.stringify({
    apiVersion: "discord-agent.dev/v1alpha1",
    kind: "Agent",
    metadata: { name },
    spec: { displayName: name, description: "everything", ...spec },
  });

/**
 * Furnishes a suite with the product as processes of this machine, which know themselves as pods of the namespace and read it. After each test they are
 * ended and their Agents removed.
 */
export function furnishLocalPods({ kubectl, name: namespace }: TestNamespace) {
  let discord: DiscordSimulator;
  let gemini: Simulator;
  let home: Home;
  let house: ReturnType<typeof furnish>;
  const pods: Watched[] = [];

  beforeAll(async () => {
    [discord, gemini, home] = await Promise.all([startDiscordSimulator(), startGeminiSimulator(), openServerHome()]);
    house = furnish(discord);
  });
  afterEach(async () => {
    // In order: one that is killed counts for another half minute.
    for (const one of pods) one.kill("SIGTERM");
    await Promise.all(pods.splice(0).map((one) => one.exited));
    await kubectl(["delete", "dagent", "--all"]);
  });
  afterAll(async () => {
    await Promise.all([discord.close(), gemini.stop(), home.remove()]);
  });

  const get = async (name: string) => JSON.parse(await kubectl(["get", "dagent", name, "-o", "json"])) as AgentObject;
  const say = (text: string): string => {
    const { world } = discord;
    return world.say({ channel: house.general, author: house.ann, text: `<@${world.reception.id}> ${text}` }).id;
  };
  return {
    faults: () => discord.faults,
    start: (pod: string, env: Readonly<Record<string, string>> = {}): Watched => {
      const one = startDiscordBot(discord, home, {
        AGENTS_FROM: "kubernetes",
        POD_NAMESPACE: namespace,
        POD_NAME: pod,
        NODE_NAME: "node-1",
        KUBECONFIG: process.env["KUBECONFIG"] ?? "",
        GEMINI_API_KEY: "x",
        GEMINI_BASE_URL: gemini.url,
        GEMINI_REQUESTS_PER_MINUTE: "1000",
        ...env,
      });
      pods.push(one);
      return one;
    },
    apply: (...manifests: readonly string[]) => kubectl(["apply", "-f", "-"], manifests.join("\n---\n")),
    get,
    condition: async (name: string, type: string) =>
      (await get(name)).status?.conditions.find((one) => one.type === type),
    isServed: (name: string) =>
      vi.waitFor(async () => {
        const { metadata, status: now } = await get(name);
        expect([now?.observedGeneration, now?.conditions.map((one) => one.status)]).toEqual([
          metadata.generation,
          ["True", "True", "True"],
        ]);
      }, patience),
    /** Asks the bot something, and returns the id of the message. */
    say,
    /** Asks, and resolves to the prompt that the answer was made from. */
    promptOf: async (question: string): Promise<string> => {
      const id = say(question);
      const replies = () => answersIn(discord, house.general).map(({ replyTo }) => replyTo);
      await vi.waitFor(() => expect(replies()).toContain(id), patience);
      return JSON.stringify(gemini.requests.findLast(({ body }) => JSON.stringify(body).includes(question))?.body);
    },
  };
}
