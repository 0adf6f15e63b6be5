import { DiscordRefused } from "../discord/failures.ts";
import type { DiscordRest } from "../discord/rest.ts";
import { snowflakeAt, type Envelope, type Priority, type Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { readMessage, type Heard, type WireMessage } from "./dispatch.ts";
import { newer, type Gap } from "./gaps.ts";

/** A message as it is to be kept. */
export interface Addressed {
  readonly envelope: Envelope;
  readonly priority: Priority;
}

export interface BackfillOptions {
  readonly rest: DiscordRest;
  readonly maxAgeMs: number;
  /** The messages of people among these, as they are to be kept. */
  readonly read: (messages: readonly WireMessage[]) => Promise<readonly Addressed[]>;
  /** The messages of a conversation between these two, both included, that are stored and not forgotten. */
  readonly stored: (channelId: Snowflake, from: Snowflake, until: Snowflake) => Promise<readonly Snowflake[]>;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** What was missed. */
export interface Missed {
  /** As they are to be kept, in their order in each channel. */
  readonly envelopes: readonly Addressed[];
  /** The newest message of each channel that was looked through. */
  readonly until: ReadonlyMap<Snowflake, Snowflake>;
  /** What became meanwhile of messages that were heard before, as far as they came into sight. */
  readonly changes: readonly Change[];
}

type Change = Heard & { kind: "edited" | "deleted" };

const pageSize = 100;
/** So many messages of a channel are looked through, the newest ones. */
const mostPages = 10;
/** Of these so many are kept, the newest ones, besides all that turn to the bot. */
const mostKept = 100;
/** Of direct conversations, each of which costs a request, so many are looked through: all that the shard hears waits meanwhile, at Discord's 50 a second 20 s. */
const mostDirect = 1_000;
/** So many channels are looked through at once: where a reply takes 0.1 s, this makes those 50 a second. */
const atOnce = 5;

/**
 * Fetches what was written in these channels since, and not before `maxAgeMs`. A channel that we may not read is left out. Whatever is left out is
 * counted (of what was not looked at, only that there is some), and logged once for each channel; of direct conversations that are not looked through,
 * in which there may be some, in one line.
 */
export async function fetchMissed(
  gaps: readonly Gap[],
  options: BackfillOptions,
  signal: AbortSignal,
): Promise<Missed> {
  const envelopes: Addressed[] = [];
  const until = new Map<Snowflake, Snowflake>();
  const changes: Change[] = [];
  if (gaps.length === 0) return { envelopes, until, changes };
  const oldest = snowflakeAt(options.rest.now() - options.maxAgeMs);
  const within = gaps.filter(({ guildId }, i) => guildId !== null || i < mostDirect);
  for (let from = 0; from < within.length; from += atOnce) {
    const look = async (gap: Gap) => ({ gap, look: await lookThroughOrNot(gap, oldest, options, signal) });
    for (const { gap, look: found } of await Promise.all(within.slice(from, from + atOnce).map(look))) {
      const { messages, known, ...left } = found;
      changes.push(...(await changesOf(gap, known, options)));
      for (const { id } of messages) until.set(gap.channelId, newer(until.get(gap.channelId), id));
      const said = await options.read(messages);
      const kept = said.filter(({ envelope }, i) => envelope.addressed || i >= said.length - mostKept);
      envelopes.push(...kept);
      note(gap, { kept: kept.length, tooMany: said.length - kept.length, ...left }, options);
    }
  }
  noteDirect(gaps.length - within.length, options);
  return { envelopes, until, changes };
}

/** What a look through a channel has found, oldest first. */
interface Look {
  readonly messages: readonly WireMessage[];
  /** What is still there of the time before, back to `from`, the oldest that was seen: of what is older nothing is concluded. Null where it cannot be told. */
  readonly known: { readonly from: Snowflake; readonly messages: readonly WireMessage[] } | null;
  /** Messages that were seen and are older than they may be. */
  readonly tooOld: number;
  /** There may be more that was not looked at. */
  readonly hasOlder: boolean;
}

async function lookThroughOrNot(
  gap: Gap,
  oldest: Snowflake,
  options: BackfillOptions,
  signal: AbortSignal,
): Promise<Look> {
  if (gap.newest !== null && BigInt(gap.newest) < BigInt(oldest))
    return { messages: [], known: null, tooOld: 1, hasOlder: true };
  try {
    return await lookThrough(gap, oldest, options.rest, signal);
  } catch (error) {
    // Refused is for good; anything else is worth waiting for.
    if (!(error instanceof DiscordRefused)) throw error;
    const reason = asError(error).message;
    options.log.warn({ component: "gateway", reason }, "a channel could not be looked through");
    return { messages: [], known: null, tooOld: 0, hasOlder: false };
  }
}

/** From the newest message back: what is looked at last is what may be left out. */
async function lookThrough(
  { channelId, guildId, after }: Gap,
  oldest: Snowflake,
  rest: DiscordRest,
  signal: AbortSignal,
): Promise<Look> {
  // Over REST a message does not say in which guild it stands.
  const place = guildId === null ? {} : { guild_id: guildId };
  const found: WireMessage[] = [];
  let hasOlder = true;
  let isReadable = true;
  let before: Snowflake | null = null;
  for (let pages = 0; hasOlder && pages < mostPages; pages += 1) {
    const page: readonly unknown[] = await rest.call(
      {
        method: "GET",
        path: `/channels/${channelId}/messages`,
        query: { limit: String(pageSize), ...(before === null ? {} : { before }) },
        repeatable: true,
      },
      AbortSignal.any([signal, AbortSignal.timeout(20_000)]),
    );
    const messages = page.flatMap((value) => readMessage(value) ?? []).map((one) => ({ ...one, ...place }));
    found.push(...messages);
    isReadable &&= messages.length === page.length;
    before = messages.map(({ id }) => id).reduce<Snowflake | null>(older, null);
    hasOlder = page.length === pageSize && before !== null && BigInt(before) > BigInt(newer(after, oldest));
  }
  const missed = found.filter(({ id }) => BigInt(id) > BigInt(after));
  const messages = missed
    .filter(({ id }) => BigInt(id) > BigInt(oldest))
    .sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  // What could not be read is not deleted.
  const known = isReadable && before !== null ? found.filter(({ id }) => BigInt(id) <= BigInt(after)) : null;
  return {
    messages,
    known: known && { from: before ?? "0", messages: known },
    tooOld: missed.length - messages.length,
    hasOlder,
  };
}

/** Edits and deletions are told to those who listen, and to nobody later. */
async function changesOf(
  { channelId, after }: Gap,
  known: Look["known"],
  { stored }: BackfillOptions,
): Promise<readonly Change[]> {
  if (known === null) return [];
  const inSight = new Set(known.messages.map(({ id }) => id));
  const messageIds = (await stored(channelId, known.from, after)).filter((id) => !inSight.has(id));
  const edited = known.messages.filter(({ edited_timestamp: at }) => Boolean(at));
  const deletions = messageIds.length === 0 ? [] : [{ kind: "deleted" as const, channelId, messageIds }];
  return [...deletions, ...edited.map((message) => ({ kind: "edited" as const, message }))];
}

function older(a: Snowflake | null, b: Snowflake): Snowflake {
  return a !== null && BigInt(a) < BigInt(b) ? a : b;
}

const leftOut = "messages that were missed are left out";

function note(
  { channelId, guildId }: Gap,
  numbers: { readonly kept: number; readonly tooMany: number; readonly tooOld: number; readonly hasOlder: boolean },
  { metrics, log }: BackfillOptions,
): void {
  metrics.gatewayEvents.inc({ status: "missed_and_fetched" }, numbers.kept);
  metrics.gatewayEvents.inc({ status: "missed_too_many" }, numbers.tooMany);
  metrics.gatewayEvents.inc({ status: "missed_too_old" }, numbers.tooOld);
  if (numbers.tooMany === 0 && numbers.tooOld === 0 && !numbers.hasOlder) return;
  log.warn({ component: "gateway", guildId, channelId, ...numbers }, leftOut);
}

function noteDirect(directConversations: number, { metrics, log }: BackfillOptions): void {
  if (directConversations === 0) return;
  metrics.gatewayEvents.inc({ status: "missed_too_many" }, directConversations);
  log.warn({ component: "gateway", directConversations }, leftOut);
}
