import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { openShard, type Shard } from "../../src/gateway/shard.ts";
import { makeMetrics } from "../../src/metrics.ts";

describe("a frame that Discord does not document", () => {
  let server: WebSocketServer;
  let shard: Shard | null;
  let url: string;
  beforeEach(async () => {
    shard = null;
    server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await shard?.handOver();
    for (const socket of server.clients) socket.terminate();
    server.close();
  });

  it.each<[string, "greeting" | "login", unknown]>([
    ["a HELLO without its data", "greeting", { op: 10 }],
    ["a HELLO without a pause between heartbeats", "greeting", { op: 10, d: { heartbeat_interval: 0 } }],
    ["a READY without its data", "login", { op: 0, t: "READY", s: 1, d: null }],
    ["a READY with an address that is none", "login", ready("nowhere")],
    ["an invalid session without a word whether it can be resumed", "login", { op: 9, d: null }],
    ["an event without its number", "login", { op: 0, t: "GUILD_CREATE", d: {} }],
    ["something else altogether", "greeting", [1]],
  ])("%s: it is counted and logged once, and the next connection is tried after a while", async (_, moment, frame) => {
    let connections = 0;
    const bad = 2;
    server.on("connection", (socket: WebSocket) => {
      connections += 1;
      const isBad = connections <= bad;
      const say = (what: unknown) => socket.send(JSON.stringify(what));
      if (isBad && moment === "greeting") return say(frame);
      say({ op: 10, d: { heartbeat_interval: 41_000 } });
      socket.on("message", (data: Buffer) => {
        const { op } = JSON.parse(data.toString("utf8")) as { op: number };
        if (op === 2) say(isBad ? frame : ready(url));
      });
      return undefined;
    });
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: "warn" }, { write: (line) => void lines.push(JSON.parse(line) as never) });
    const metrics = makeMetrics();
    shard = openShard({
      lease: { shard: 0, shardCount: 1, epoch: "1", session: null },
      token: "x",
      intents: 0,
      gatewayUrl: url,
      mayConnect: async () => {},
      mayIdentify: async () => {},
      onDispatch: () => {},
      onFatal: (error) => expect.unreachable(error.message),
      metrics,
      log,
    });
    await vi.waitFor(() => expect(shard?.state()).toBe("ready"), { timeout: 20_000 });
    const { values } = await metrics.gatewayEvents.get();
    expect(values).toMatchObject([{ labels: { status: "bad_frame" }, value: bad }]);
    expect(lines.filter(({ msg }) => msg === "a frame is not what Discord documents: connecting anew")).toHaveLength(1);
    expect(lines.filter(({ msg }) => msg === "connecting again later")).toHaveLength(bad);
  });
});

function ready(address: string): unknown {
  return { op: 0, t: "READY", s: 1, d: { session_id: "s", resume_gateway_url: address } };
}
