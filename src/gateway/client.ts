import { SimpleShardingStrategy, WebSocketManager, type SessionInfo } from "@discordjs/ws";
import { GatewayDispatchEvents, GatewayOpcodes, type REST } from "discord.js";
import type { Lease } from "./leases.ts";

/** What the library's client asks its owner, one client for each connection. */
export interface ClientOptions {
  readonly lease: Lease;
  readonly token: string;
  readonly intents: number;
  readonly gatewayUrl: string;
  readonly handshakeTimeoutMs: number;
  /** Called before each connection, and before each event is told. */
  readonly retrieve: (client: WebSocketManager) => SessionInfo | null | Promise<SessionInfo | null>;
  readonly update: (client: WebSocketManager, session: SessionInfo | null) => void;
  readonly waitToIdentify: (signal: AbortSignal) => Promise<void>;
  /** A frame was left out because it is not what Discord documents; `what` says which kind, and quotes nothing. */
  readonly onBadFrame: (client: WebSocketManager, what: string) => void;
}

/** Builds a client of @discordjs/ws for one shard; it opens nothing. */
export function makeClient(options: ClientOptions): WebSocketManager {
  const { lease, token, intents, gatewayUrl, handshakeTimeoutMs: handshakeTimeout } = options;
  const client: WebSocketManager = new WebSocketManager({
    token,
    intents,
    rest: {} as REST,
    shardCount: lease.shardCount,
    shardIds: [lease.shard],
    handshakeTimeout,
    // Our own deadlines: the library's would end the session.
    helloTimeout: null,
    readyTimeout: null,
    retrieveSessionInfo: () => options.retrieve(client),
    updateSessionInfo: (_shard, session) => options.update(client, session),
    buildIdentifyThrottler: () => ({ waitForIdentify: (_shard, signal) => options.waitToIdentify(signal) }),
    buildStrategy: (manager) => new SoundFramesOnly(manager, (what) => options.onBadFrame(client, what)),
  });
  // Everything in it but the URL is our own affair, and asking Discord before each connection is not needed.
  client.fetchGatewayInformation = async () => ({
    url: gatewayUrl,
    shards: lease.shardCount,
    session_start_limit: { total: 1_000, remaining: 1_000, reset_after: 0, max_concurrency: 1 },
  });
  return client;
}

/** The part of the library's shard that reads a frame. It is private, and the only place before the library trusts what is in one. */
interface FrameReader {
  unpackMessage: (data: unknown, isBinary: boolean) => Promise<unknown>;
}

/** The library reads frames in a handler that nobody waits for: what it does not expect in one would end the process. */
class SoundFramesOnly extends SimpleShardingStrategy {
  readonly #onBadFrame: (what: string) => void;

  constructor(manager: WebSocketManager, onBadFrame: (what: string) => void) {
    super(manager);
    this.#onBadFrame = onBadFrame;
  }

  override async spawn(shardIds: number[]): Promise<void> {
    await super.spawn(shardIds);
    const { shards } = this as unknown as { shards: ReadonlyMap<number, FrameReader> };
    for (const shard of shards.values()) {
      const unpack = shard.unpackMessage.bind(shard);
      shard.unpackMessage = async (data, isBinary) => {
        const frame = await unpack(data, isBinary);
        const fault = faultOf(frame);
        if (fault === null) return frame;
        this.#onBadFrame(fault);
        return null;
      };
    }
  }
}

/** Null: the library can read it. */
function faultOf(frame: unknown): string | null {
  if (!isRecord(frame) || typeof frame["op"] !== "number") return "no opcode";
  const { t, s, d } = frame;
  const op = frame["op"] as GatewayOpcodes;
  if (op === GatewayOpcodes.Hello) return isRecord(d) && Number(d["heartbeat_interval"]) > 0 ? null : "a HELLO";
  if (op === GatewayOpcodes.InvalidSession) return typeof d === "boolean" ? null : "an invalid session";
  if (op !== GatewayOpcodes.Dispatch) return null;
  if (typeof t !== "string" || !Number.isSafeInteger(s)) return "an event";
  if ((t as GatewayDispatchEvents) !== GatewayDispatchEvents.Ready) return null;
  const isReady = isRecord(d) && typeof d["session_id"] === "string" && isSocketAddress(d["resume_gateway_url"]);
  return isReady ? null : "a READY";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isSocketAddress(value: unknown): boolean {
  return typeof value === "string" && /^wss?:$/.test(URL.parse(value)?.protocol ?? "");
}
