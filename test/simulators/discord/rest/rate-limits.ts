import { createHash } from "node:crypto";
import type { Bucket, Limits } from "../limits.ts";
import type { Report } from "../report.ts";

/** A request's place in its bucket, and whether it is refused. */
interface Turn {
  readonly headers: Readonly<Record<string, string>>;
  /** Null: it may go on. */
  readonly refused: { readonly scope: "user" | "global" | "shared"; readonly retryAfterSeconds: number } | null;
}

export interface RateLimits {
  /** `counted`: false for interactions and webhooks, which are outside the global limit. */
  take(token: string, bucket: string, kind: "messages" | "other", counted: boolean): Turn;
  /** Notes an answer with this status; true once the address is banned. */
  invalid(status: number, shared: boolean): void;
  banned(): boolean;
}

const tenMinutesMs = 600_000;

/** Counts in fixed windows that the first request opens, as the client library does. */
export function makeRateLimits(limits: Limits, report: Report, now: () => number): RateLimits {
  const windows = new Map<string, { used: number; endsAt: number }>();
  let invalid: number[] = [];
  const use = (key: string, perMs: number) => {
    const window = windows.get(key);
    const open = window !== undefined && window.endsAt > now() ? window : { used: 0, endsAt: now() + perMs };
    windows.set(key, open);
    open.used += 1;
    return open;
  };
  return {
    take: (token, bucket, kind, counted) => {
      const { limit, perMs }: Bucket = kind === "messages" ? limits.messageBucket : limits.otherBucket;
      const second = counted ? use(token, 1_000) : null;
      if (second !== null && second.used > limits.globalPerSecond) {
        report.rateViolations.global += 1;
        const retryAfterSeconds = (second.endsAt - now()) / 1_000;
        if (limits.enforceGlobal) return { headers: {}, refused: { scope: "global", retryAfterSeconds } };
      }
      const window = use(`${token} ${bucket}`, perMs);
      const resetAfter = Math.max(0.001, (window.endsAt - now()) / 1_000);
      const headers = {
        "x-ratelimit-limit": String(limit),
        "x-ratelimit-remaining": String(Math.max(0, limit - window.used)),
        "x-ratelimit-reset": (window.endsAt / 1_000).toFixed(3),
        "x-ratelimit-reset-after": resetAfter.toFixed(3),
        "x-ratelimit-bucket": createHash("md5").update(bucket).digest("hex"),
      };
      if (window.used <= limit) return { headers, refused: null };
      report.rateViolations.bucket += 1;
      return { headers, refused: { scope: "user", retryAfterSeconds: resetAfter } };
    },
    invalid: (status, shared) => {
      if (shared || ![401, 403, 429].includes(status)) return;
      report.invalidRequests += 1;
      invalid = [...invalid.filter((at) => at > now() - tenMinutesMs), now()].slice(-limits.invalidRequests);
    },
    banned: () => invalid.length >= limits.invalidRequests && (invalid[0] ?? 0) > now() - tenMinutesMs,
  };
}
