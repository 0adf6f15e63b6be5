import { DiscordRefused, type DiscordRest } from "../discord/rest.ts";
import { snowflakeAt, type Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { readMessage, type WireMessage } from "./dispatch.ts";
import type { Gap } from "./gaps.ts";

const pageSize = 100;

/**
 * Fetches what was written in these channels since, oldest first in each, none older than `maxAgeMs` and at most `mostPerChannel`, the newest
 * ones then. A channel that
 * we may not read is left out and logged.
 */
export async function fetchMissed(
  gaps: readonly Gap[],
  options: { rest: DiscordRest; maxAgeMs: number; mostPerChannel: number; log: Logger },
  signal: AbortSignal,
): Promise<readonly WireMessage[]> {
  const oldest = snowflakeAt(Date.now() - options.maxAgeMs);
  const missed: WireMessage[] = [];
  for (const { channelId, guildId, after } of gaps) {
    const from = BigInt(after) > BigInt(oldest) ? after : oldest;
    try {
      // Over REST a message does not say in which guild it stands.
      const place = guildId === null ? {} : { guild_id: guildId };
      missed.push(...(await fetchAfter(channelId, from, options, signal)).map((one) => ({ ...one, ...place })));
    } catch (error) {
      // Refused is for good; anything else is worth waiting for.
      if (!(error instanceof DiscordRefused)) throw error;
      options.log.warn(
        { component: "gateway", reason: asError(error).message },
        "a channel could not be looked through",
      );
    }
  }
  return missed;
}

async function fetchAfter(
  channelId: Snowflake,
  after: Snowflake,
  { rest, mostPerChannel }: { rest: DiscordRest; mostPerChannel: number },
  signal: AbortSignal,
): Promise<readonly WireMessage[]> {
  const found: WireMessage[] = [];
  // `after` gives the oldest page that follows it, newest first inside the page.
  for (let from = after; ;) {
    const page = await rest.call<readonly unknown[]>(
      {
        method: "GET",
        path: `/channels/${channelId}/messages`,
        query: { after: from, limit: String(pageSize) },
        repeatable: true,
      },
      AbortSignal.any([signal, AbortSignal.timeout(20_000)]),
    );
    const messages = page
      .flatMap((value) => readMessage(value) ?? [])
      .sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
    found.push(...messages);
    const last = messages.at(-1);
    if (page.length < pageSize || last === undefined || found.length >= 10 * mostPerChannel)
      return found.slice(-mostPerChannel);
    from = last.id;
  }
}
