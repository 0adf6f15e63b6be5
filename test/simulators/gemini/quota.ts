import { nextPacificMidnight } from "../../../src/resilience/pacific-day.ts";

export interface QuotaLimits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly requestsPerDay: number | null;
}

export interface Violation {
  readonly model: string;
  readonly limit: "requests_per_minute" | "tokens_per_minute" | "requests_per_day";
  readonly at: string;
  readonly counted: number;
  readonly allowed: number;
}

/** Counts arrivals per model in a sliding minute and a Pacific day, as the provider does. */
export function makeQuota(limits: QuotaLimits, now: () => number) {
  const models = new Map<string, { arrivals: { at: number; tokens: number }[]; today: number; dayEndsAt: number }>();
  const violations: Violation[] = [];
  return {
    violations,
    /** Null when the request is within the limits. A refused request does not count, as with the provider. */
    arrive(model: string, tokens: number): Violation | null {
      const at = now();
      const seen = models.get(model) ?? { arrivals: [], today: 0, dayEndsAt: nextPacificMidnight(at) };
      models.set(model, seen);
      if (at >= seen.dayEndsAt) Object.assign(seen, { today: 0, dayEndsAt: nextPacificMidnight(at) });
      seen.arrivals = seen.arrivals.filter((arrival) => arrival.at > at - 60_000);
      const used = seen.arrivals.reduce((sum, arrival) => sum + arrival.tokens, tokens);
      const counts = [
        ["requests_per_day", seen.today + 1, limits.requestsPerDay],
        ["requests_per_minute", seen.arrivals.length + 1, limits.requestsPerMinute],
        ["tokens_per_minute", used, limits.tokensPerMinute],
      ] as const;
      for (const [limit, counted, allowed] of counts) {
        if (allowed === null || counted <= allowed) continue;
        const violation = { model, limit, at: new Date(at).toISOString(), counted, allowed };
        violations.push(violation);
        return violation;
      }
      seen.arrivals.push({ at, tokens });
      seen.today += 1;
      return null;
    },
    /** Seconds until the oldest arrival leaves the minute. */
    retryDelaySeconds(model: string): number {
      const oldest = models.get(model)?.arrivals[0]?.at ?? now();
      return Math.max(1, Math.ceil((oldest + 60_000 - now()) / 1000));
    },
  };
}
