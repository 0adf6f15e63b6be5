import { countInput } from "../simulators/gemini/replies.ts";
import type { QuotaLimits } from "../simulators/gemini/quota.ts";
import type { Simulator } from "../simulators/gemini/simulator.ts";

/** About what a message asks of the model: now the one limit binds, now the other. */
const tokensPerCall = 1_500;

/**
 * Limits that bind: no more a minute than are asked while nothing is wrong, so that whatever a kill or an outage makes the processes forget shows as a violation. Of
 * the day there is some more than all need: what is counted twice would leave messages without an answer.
 */
export function limitsOf(messages: number): Readonly<Record<keyof QuotaLimits, number>> {
  const requestsPerMinute = Math.min(900, Math.ceil(messages * 0.6));
  return {
    requestsPerMinute,
    tokensPerMinute: requestsPerMinute * tokensPerCall,
    requestsPerDay: Math.ceil(messages * 1.5),
  };
}

/** The part of each limit that was used: in the busiest minute, and in all. */
export function quotaUsed({ requests }: Simulator, model: string, limits: ReturnType<typeof limitsOf>) {
  const calls = requests.filter((one) => one.model === model).map(({ at, body }) => ({ at, tokens: countInput(body) }));
  let [first, tokens, most, mostTokens] = [0, 0, 0, 0];
  for (const [index, call] of calls.entries()) {
    tokens += call.tokens;
    for (let oldest = calls[first]; oldest !== undefined && oldest.at <= call.at - 60_000; oldest = calls[first]) {
      tokens -= oldest.tokens;
      first += 1;
    }
    [most, mostTokens] = [Math.max(most, index - first + 1), Math.max(mostTokens, tokens)];
  }
  const part = (used: number, limit: number) => Number((used / limit).toFixed(3));
  return {
    requestsPerMinute: part(most, limits.requestsPerMinute),
    tokensPerMinute: part(mostTokens, limits.tokensPerMinute),
    requestsPerDay: part(calls.length, limits.requestsPerDay),
  };
}
