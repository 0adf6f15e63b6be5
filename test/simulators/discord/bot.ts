import { WebSocketManager, WebSocketShardEvents, type SessionInfo, type WebSocketManagerOptions } from "@discordjs/ws";
import { REST } from "discord.js";
import type { DiscordSimulator } from "./simulator.ts";

/** One event as the client library handed it over. */
interface Heard {
  readonly t: string;
  readonly s: number;
  readonly d: Readonly<Record<string, unknown>>;
  readonly shard: number;
}

/** A bot made of the real client libraries and nothing else, for the tests of the simulator. */
export interface TestBot {
  readonly rest: REST;
  readonly manager: WebSocketManager;
  readonly heard: Heard[];
  readonly errors: Error[];
  readonly closes: number[];
  /** By shard; put one in before `connect` to resume it. */
  readonly sessions: Map<number, SessionInfo>;
  contents(): string[];
  end(): Promise<void>;
}

const allIntents = 1 | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 15);

export function makeRest(simulator: Pick<DiscordSimulator, "url">, token = "sim-reception-token-0000"): REST {
  return new REST({ api: `${simulator.url}/api`, retries: 0, timeout: 5_000 }).setToken(token);
}

export function makeTestBot(
  simulator: Pick<DiscordSimulator, "url">,
  options: Partial<WebSocketManagerOptions> & { readonly token?: string } = {},
): TestBot {
  const { token = "sim-reception-token-0000", ...given } = options;
  const rest = makeRest(simulator, token);
  const sessions = new Map<number, SessionInfo>();
  const heard: Heard[] = [];
  const errors: Error[] = [];
  const closes: number[] = [];
  const manager = new WebSocketManager({
    token,
    intents: allIntents,
    rest,
    retrieveSessionInfo: (shard) => sessions.get(shard) ?? null,
    updateSessionInfo: (shard, info) => void (info === null ? sessions.delete(shard) : sessions.set(shard, info)),
    // The library's own waits five seconds, whatever the simulator was told.
    buildIdentifyThrottler: async () => ({ waitForIdentify: async () => undefined }),
    helloTimeout: 2_000,
    readyTimeout: 2_000,
    ...given,
  });
  manager.on(WebSocketShardEvents.Dispatch, ({ t, s, d }, shard) => {
    heard.push({ t, s, d: d as unknown as Heard["d"], shard });
  });
  manager.on(WebSocketShardEvents.Error, (error) => void errors.push(error));
  manager.on(WebSocketShardEvents.Closed, (code) => void closes.push(code));
  return {
    rest,
    manager,
    heard,
    errors,
    closes,
    sessions,
    contents: () => heard.filter(({ t }) => t === "MESSAGE_CREATE").map(({ d }) => String(d["content"])),
    end: async () => manager.destroy({ code: 1000 }),
  };
}
