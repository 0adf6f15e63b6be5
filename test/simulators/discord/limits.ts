/** The numbers Discord lives by; each may be lowered by a test. */
export interface Limits {
  readonly maxConcurrency: number;
  readonly recommendedShards: number;
  /** IDENTIFYs a day; one more resets the token. */
  readonly identifyBudget: number;
  /** Between two IDENTIFYs of one `shard % maxConcurrency`. */
  readonly identifyEveryMs: number;
  readonly heartbeatIntervalMs: number;
  /** How long a session whose socket is gone can be resumed. */
  readonly sessionKeepMs: number;
  /** Events kept for a resume; an older sequence is refused. */
  readonly sessionEvents: number;
  readonly guildsPerShard: number;
  readonly sendsPerMinute: number;
  /** How long the same author and nonce mean the same message. */
  readonly nonceKeepMs: number;
  /** True: a message that was deleted is still what its nonce means. */
  readonly nonceOutlivesMessage: boolean;
  readonly interactionAckMs: number;
  readonly interactionTokenMs: number;
  /** Of each channel's messages. */
  readonly messageBucket: Bucket;
  /** Of every other route. */
  readonly otherBucket: Bucket;
  /** Per token; more are counted as violations. */
  readonly globalPerSecond: number;
  /** True: what goes over the global limit is refused with 429, too. */
  readonly enforceGlobal: boolean;
  /** Invalid requests in ten minutes before the address is banned. */
  readonly invalidRequests: number;
}

export interface Bucket {
  readonly limit: number;
  readonly perMs: number;
}

/** Discord's numbers, save for the buckets, which are wide so that tests do not wait; see `realBuckets`. */
export const usualLimits: Limits = {
  maxConcurrency: 1,
  recommendedShards: 1,
  identifyBudget: 1_000,
  identifyEveryMs: 5_000,
  heartbeatIntervalMs: 41_250,
  sessionKeepMs: 180_000,
  sessionEvents: 50_000,
  guildsPerShard: 2_500,
  sendsPerMinute: 120,
  nonceKeepMs: 300_000,
  nonceOutlivesMessage: false,
  interactionAckMs: 3_000,
  interactionTokenMs: 900_000,
  messageBucket: { limit: 1_000, perMs: 1_000 },
  otherBucket: { limit: 1_000, perMs: 1_000 },
  globalPerSecond: 50,
  enforceGlobal: false,
  invalidRequests: 10_000,
};

/** Spread over the options for limits as tight as Discord's. */
export const realBuckets = {
  messageBucket: { limit: 5, perMs: 5_000 },
  otherBucket: { limit: 5, perMs: 1_000 },
  enforceGlobal: true,
} as const satisfies Partial<Limits>;
