import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeControl } from "./control/control.ts";
import { makeFaults, type Faults } from "./faults.ts";
import { makeGateway } from "./gateway/gateway.ts";
import { usualLimits, type Limits } from "./limits.ts";
import { makeReport, type Report } from "./report.ts";
import { answerRest } from "./rest/answer.ts";
import { makeRateLimits } from "./rest/rate-limits.ts";
import { makeScript } from "./script.ts";
import { makeSnowflakes } from "./world/snowflakes.ts";
import { makeState, type State } from "./world/state.ts";
import { makeWorld, type World } from "./world/world.ts";

export { realBuckets } from "./limits.ts";

export interface DiscordSimulatorOptions extends Partial<Limits> {
  /** 0: any free one. */
  readonly port?: number;
  /** 127.0.0.1 unless told otherwise. The addresses it hands out name the host it was asked by. */
  readonly host?: string;
  /** Before the addresses of attachments; its own on loopback unless told otherwise. */
  readonly publicUrl?: string;
  readonly now?: () => number;
}

export interface DiscordSimulator {
  /** The REST base is `${url}/api`. */
  readonly url: string;
  readonly world: World;
  readonly faults: Faults;
  readonly report: () => Report;
  readonly close: () => Promise<void>;
}

/** Starts a Discord on loopback, over real HTTP and WebSocket, with one bot ("sim-reception-token-0000") and nobody else. */
export async function startDiscordSimulator(options: DiscordSimulatorOptions = {}): Promise<DiscordSimulator> {
  const { port = 0, host = "127.0.0.1", publicUrl, now = () => Date.now(), ...given } = options;
  const limits: Limits = { ...usualLimits, ...given };
  const report = makeReport();
  const state = makeState(now, makeSnowflakes(now));
  const script = makeScript(report);
  const gateway = makeGateway(state, limits, report, script);
  const world = makeWorld(state, gateway.deliver);
  const { faults, isAway } = makeFaults(state, gateway, script);
  const rateLimits = makeRateLimits(limits, report, now);
  const parts = { state, limits, report, gateway, script, rateLimits, nonces: new Map() };

  const control = makeControl({ world, faults, report: () => report });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "/";
    if (await control(request, response)) return undefined;
    if (isAway()) return void response.destroy();
    if (path.startsWith("/attachments/")) return serveAttachment(state, path, response);
    return answerRest(parts, request, response);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // A fault of the simulator, not of its client: the client may well hide it, so it is shown here.
      process.stderr.write(`discord simulator: ${error instanceof Error ? (error.stack ?? "") : String(error)}\n`);
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { "content-type": "application/json" }).end('{"message":"500","code":0}');
    });
  });
  server.on("upgrade", (request, socket, head) => {
    if (isAway()) socket.destroy();
    else gateway.upgrade(request, socket, head);
  });
  // Longer than any test: a connection closed while a request is on its way would look like a scripted fault.
  server.keepAliveTimeout = 600_000;
  server.listen(port, host);
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  state.origin = publicUrl ?? url;
  return {
    url,
    world,
    faults,
    report: () => structuredClone(report),
    close: async () => {
      const closed = once(server, "close");
      gateway.close();
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function serveAttachment(state: State, path: string, response: ServerResponse): void {
  for (const message of state.messages.values()) {
    const file = message.attachments.find((one) => one.path === path);
    if (file === undefined) continue;
    response.writeHead(200, { "content-type": file.contentType });
    return void response.end(Buffer.from(file.base64, "base64"));
  }
  response.writeHead(404).end();
}
