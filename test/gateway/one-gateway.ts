import { pino } from "pino";
import { expect } from "vitest";
import { makeDiscordRest, makeRefusalCounter } from "../../src/discord/rest.ts";
import { makeGateway } from "../../src/gateway/gateway.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { neverOpen } from "../resilience/unguarded.ts";

type Options = Parameters<typeof makeGateway>[0];

/** A gateway of one shard, the only process there is, on the Discord at `url`; resolves when it has started, with what it warns of. */
export async function startGateway(
  url: string,
  options: Pick<Options, "database" | "leaseMs" | "holdEvents" | "store" | "onHeard">,
): Promise<{ readonly gateway: Component; readonly lines: readonly Record<string, unknown>[] }> {
  const token = "sim-reception-token-0000";
  const lines: Record<string, unknown>[] = [];
  const metrics = makeMetrics();
  const log = pino({ level: "warn" }, { write: (line) => void lines.push(JSON.parse(line) as never) });
  const alone = { processes: () => 1, breaker: neverOpen(), refusals: makeRefusalCounter(() => 1) };
  const rest = makeDiscordRest({ ...alone, name: "test", token, api: `${url}/api`, metrics, log });
  const gateway = makeGateway({
    ...options,
    rest,
    token,
    owner: "test",
    shards: 1,
    onStop: () => {},
    onTakenOver: () => {},
    invite: () => "",
    metrics,
    log,
  });
  await gateway.start(new AbortController().signal, (error) => expect.unreachable(error.message));
  return { gateway, lines };
}
