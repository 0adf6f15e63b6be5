/** The opcodes of gateway v10 that are used here. */
export const op = {
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  presenceUpdate: 3,
  voiceStateUpdate: 4,
  resume: 6,
  reconnect: 7,
  requestGuildMembers: 8,
  invalidSession: 9,
  hello: 10,
  heartbeatAck: 11,
} as const;

/** The close codes of gateway v10 that are used here. */
export const closeCode = {
  unknownError: 4000,
  unknownOpcode: 4001,
  decodeError: 4002,
  notAuthenticated: 4003,
  authenticationFailed: 4004,
  alreadyAuthenticated: 4005,
  invalidSequence: 4007,
  rateLimited: 4008,
  sessionTimedOut: 4009,
  invalidShard: 4010,
  shardingRequired: 4011,
  invalidVersion: 4012,
  invalidIntents: 4013,
  disallowedIntents: 4014,
} as const;

export interface Frame {
  readonly op: number;
  readonly d: unknown;
}

/** What came over the socket; null when it is no JSON of the right shape. */
export function readFrame(text: string): Frame | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("op" in value) || typeof value.op !== "number") return null;
    return { op: value.op, d: "d" in value ? value.d : undefined };
  } catch {
    return null;
  }
}

export interface Identify {
  readonly token: string;
  readonly intents: unknown;
  readonly shard: readonly [number, number];
}

/** Null: not the shape the documentation asks for. Intents and shard numbers are judged later, with codes of their own. */
export function readIdentify(d: unknown): Identify | null {
  if (typeof d !== "object" || d === null) return null;
  const { token, intents, shard, properties } = d as Record<string, unknown>;
  if (typeof token !== "string" || typeof properties !== "object" || properties === null || intents === undefined)
    return null;
  if (shard === undefined) return { token, intents, shard: [0, 1] };
  if (!Array.isArray(shard) || shard.length !== 2) return null;
  const [id, count] = shard as unknown[];
  return typeof id === "number" && typeof count === "number" ? { token, intents, shard: [id, count] } : null;
}

export interface Resume {
  readonly token: string;
  readonly sessionId: string;
  readonly seq: number;
}

export function readResume(d: unknown): Resume | null {
  if (typeof d !== "object" || d === null) return null;
  const { token, session_id: sessionId, seq } = d as Record<string, unknown>;
  if (typeof token !== "string" || typeof sessionId !== "string" || typeof seq !== "number") return null;
  return { token, sessionId, seq };
}

/** Every intent there is; any other bit is refused with 4013. */
const knownIntents = (1 << 17) - 1 + (0b11 << 20) + (0b11 << 24);

export function isIntents(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && (value & ~knownIntents) === 0;
}
