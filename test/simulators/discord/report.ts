/** What the simulator counted; the proof of many promises is that a number here stayed 0. */
export interface Report {
  connections: number;
  liveSockets: number;
  /** Sessions that are connected or can be resumed. */
  sessions: number;
  identifies: number;
  /** By "shard/count", in milliseconds since 1970; refused ones too. */
  identifyTimes: Record<string, number[]>;
  refusedIdentifies: { readonly at: number; readonly shard: string; readonly reason: string }[];
  readies: number;
  resumes: number;
  resumeds: number;
  refusedResumes: { readonly at: number; readonly sessionId: string; readonly reason: string }[];
  replayed: number;
  takeOvers: number;
  /** Ended by 1000 or 1001, expired, or refused; they cannot be resumed. */
  sessionsEnded: number;
  heartbeats: number;
  closesByClient: Record<string, number>;
  closesByServer: Record<string, number>;
  dispatched: Record<string, number>;
  /** Names of bots whose token Discord would have reset, with the reason. */
  tokenResets: string[];
  /** By "METHOD /route/:id". */
  restRequests: Record<string, number>;
  restStatuses: Record<string, number>;
  /** Answered with 401, 403 or 429 (unless shared): 10,000 in ten minutes are a ban. */
  invalidRequests: number;
  rateViolations: { global: number; bucket: number; gatewaySends: number };
  /** Requests with a token of which the simulator had said 401 already. */
  requestsAfterUnauthorized: number;
  /** Messages by bots and webhooks through REST. */
  posts: number;
  /** Posts answered with the message that was there: the same author and nonce. */
  dedupedPosts: number;
  /** Two visible messages by one author that say the same in answer to the same message. */
  doubledPosts: {
    readonly first: string;
    readonly second: string;
    readonly replyTo: string;
    readonly content: string;
  }[];
  faultsUsed: Record<string, number>;
}

export function makeReport(): Report {
  return {
    connections: 0,
    liveSockets: 0,
    sessions: 0,
    identifies: 0,
    identifyTimes: {},
    refusedIdentifies: [],
    readies: 0,
    resumes: 0,
    resumeds: 0,
    refusedResumes: [],
    replayed: 0,
    takeOvers: 0,
    sessionsEnded: 0,
    heartbeats: 0,
    closesByClient: {},
    closesByServer: {},
    dispatched: {},
    tokenResets: [],
    restRequests: {},
    restStatuses: {},
    invalidRequests: 0,
    rateViolations: { global: 0, bucket: 0, gatewaySends: 0 },
    requestsAfterUnauthorized: 0,
    posts: 0,
    dedupedPosts: 0,
    doubledPosts: [],
    faultsUsed: {},
  };
}

export function count(counts: Record<string, number>, name: string | number): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
