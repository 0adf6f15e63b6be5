import { asError, ForeseenError } from "../errors.ts";

/** A machine that slept, or whose clock was set, is noticed by what its two clocks say of the time that has passed. */
const mostApartMs = 5_000;
const freshMs = 600_000;

/**
 * What time it is at Discord, in milliseconds since 1970, as the head of an answer of its API says. Ids are made by that clock: measured by one
 * of ours that is an hour ahead, all that was missed would be too old. Rejects with `discord_unavailable` when Discord does not answer.
 */
export function makeDiscordClock(api: string): (signal: AbortSignal) => Promise<number> {
  let read: { readonly discordMs: number; readonly at: number; readonly wallMs: number } | null = null;
  return async (signal) => {
    if (read !== null) {
      const passedMs = performance.now() - read.at;
      const isApart = Math.abs(Date.now() - read.wallMs - passedMs) > mostApartMs;
      if (passedMs < freshMs && !isApart) return read.discordMs + passedMs;
    }
    const discordMs = await askDiscord(api, signal);
    // Without a date (a proxy took it out) there is only our own clock.
    if (discordMs === null) return Date.now();
    read = { discordMs, at: performance.now(), wallMs: Date.now() };
    return discordMs;
  };
}

async function askDiscord(api: string, signal: AbortSignal): Promise<number | null> {
  try {
    // Needs no token and counts towards no limit of the bot's.
    const response = await fetch(`${api}/v10/gateway`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(15_000)]),
    });
    await response.body?.cancel();
    const ms = Date.parse(response.headers.get("date") ?? "");
    return Number.isNaN(ms) ? null : ms;
  } catch (error) {
    signal.throwIfAborted();
    const reason = `Discord did not answer (${asError(error).name})`;
    throw new ForeseenError("discord_unavailable", reason, { kind: "retry", afterMs: 2_000 });
  }
}
