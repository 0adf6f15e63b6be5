import type { Desk, Fate, ModerationDesk, Spot, Which } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import { whyIgnored } from "./ignored.ts";
import { forMessage, type Deed } from "./information.ts";
import type { Asking } from "./interaction.ts";
import { linkToTurn } from "./link.ts";
import { permission, permissionsIn } from "./permissions.ts";
import { phrase, type PhraseKey } from "./phrases.ts";
import type { Places, Where } from "./places.ts";
import { readerOf } from "./reader.ts";
import type { Shown } from "./replies.ts";

interface ModerationOptions {
  readonly desk: Desk & ModerationDesk;
  readonly sql: Sql;
  readonly places: Places;
  /** The bot's own user. */
  readonly self: () => Snowflake;
}

/** What moderators may do: keep the bot silent, let it speak again, and find out why it was silent. */
export function makeModeration(options: ModerationOptions): Readonly<Record<string, Deed>> {
  const { desk } = options;
  return {
    "bot silence": forModerators(async (asking, guildId) => {
      const { locale, options: given, asker } = asking;
      const minutes = Number(given["minutes"] ?? 0);
      const until = await desk.silence(placeIn(asking, guildId), asker.id, minutes > 0 ? minutes : null);
      const channel = nameOf(asking);
      if (until === null) return { text: phrase(locale, "bot.silenced", { channel }) };
      const time = `<t:${Math.ceil(until.getTime() / 1000)}:f>`;
      return { text: phrase(locale, "bot.silenced-until", { channel, time }) };
    }),
    "bot resume": forModerators(async (asking, guildId) => {
      const { locale, options: given, channelId: here } = asking;
      await desk.resume(placeIn(asking, guildId));
      if (given["server"] === "true") return { text: phrase(locale, "bot.resumed-server") };
      const channelId = given["channel"] ?? here;
      const isStill = await desk.isSilent({ guildId, channelId, conversationId: channelId });
      return { text: phrase(locale, isStill ? "bot.still-silent" : "bot.resumed", { channel: `<#${channelId}>` }) };
    }),
    "bot why-silent": forModerators((asking, guildId, ...rest) =>
      forMessage((_, named) => whySilent(options, asking, named, guildId))(asking, ...rest),
    ),
  };
}

/** Discord shows these commands to moderators only, unless a server decides otherwise; a direct conversation has none. */
function forModerators(
  deed: (asking: Asking, guildId: Snowflake, where: () => Promise<Where>, signal: AbortSignal) => Promise<Shown>,
): Deed {
  return async (asking, where, signal) => {
    const { locale, guildId, asker } = asking;
    if (guildId === null) return { text: phrase(locale, "error.server-only") };
    if ((asker.permissions & (permission.manageGuild | permission.administrator)) === 0n)
      return { text: phrase(locale, "error.not-allowed") };
    return deed(asking, guildId, where, signal);
  };
}

function placeIn({ options, channelId }: Asking, guildId: Snowflake): Snowflake {
  return options["server"] === "true" ? guildId : (options["channel"] ?? channelId);
}

function nameOf({ options, channelId, locale }: Asking): string {
  return options["server"] === "true" ? phrase(locale, "bot.everywhere") : `<#${options["channel"] ?? channelId}>`;
}

async function whySilent(
  options: ModerationOptions,
  asking: Asking,
  named: Snowflake | null,
  guildId: Snowflake,
): Promise<Shown> {
  const { locale, channelId: here } = asking;
  const which: Which = named === null ? { kind: "last", conversationId: here } : { kind: "message", messageId: named };
  const fate = await options.desk.fate(which);
  if (fate === null) {
    const channelId = channelOf(asking.options["message"]) ?? here;
    const missing = await missingIn(options, asking, guildId, channelId);
    if (missing !== null) return { text: missing };
    const isSilent = await options.desk.isSilent({ guildId, channelId, conversationId: channelId });
    if (isSilent) return { text: phrase(locale, "silent.moderator") };
    return { text: phrase(locale, named === null ? "silent.none" : "silent.never-heard") };
  }
  if (!(await readerOf(asking, options.places)(fate.spot))) return { text: phrase(locale, "error.not-allowed") };
  return { text: await explain(options, asking, fate, guildId) };
}

async function explain(options: ModerationOptions, asking: Asking, fate: Fate, guildId: Snowflake): Promise<string> {
  const { locale } = asking;
  const { state, spot, reason, reference } = fate;
  if (state === "answered") return phrase(locale, "silent.answered", { link: await linkToTurn(options.sql, fate) });
  if (state === "ignored" && (await isByModerator(options.desk, reason, spot)))
    return phrase(locale, "silent.moderator");
  if (state === "ignored") return whyIgnored(locale, reason);
  const missing = await missingIn(options, asking, guildId, spot.conversationId);
  if (missing !== null) return missing;
  if (state === "buried") return phrase(locale, "silent.gave-up", { reference: reference ?? "-" });
  if (reason?.startsWith("model_quota") === true) return phrase(locale, "silent.quota");
  if (reason !== null && /^(?:breaker_open|model_unavailable)/.test(reason)) return phrase(locale, "silent.breaker");
  return phrase(locale, "silent.waiting");
}

async function isByModerator(desk: ModerationDesk, reason: string | null, spot: Spot): Promise<boolean> {
  return reason?.includes("moderator") === true || (reason === null && (await desk.isSilent(spot)));
}

const needed: readonly (readonly [PhraseKey & `permission.${string}`, bigint])[] = [
  ["permission.view", permission.viewChannel],
  ["permission.history", permission.readMessageHistory],
  ["permission.send", permission.sendMessages],
];

/** The first permission that the bot lacks in a channel, as a sentence; null when it lacks none, or nothing is known of the channel. */
async function missingIn(
  { places, self }: ModerationOptions,
  { locale }: Asking,
  guildId: Snowflake,
  channelId: Snowflake,
): Promise<string | null> {
  const place = await places.of(guildId);
  if (place === null || !place.guild.channels.has(channelId)) return null;
  const bits = permissionsIn(place.guild, channelId, { id: self(), roles: place.ownRoles });
  const missing = needed.find(([, bit]) => (bits & bit) === 0n);
  if (missing === undefined) return null;
  return phrase(locale, "silent.permission", { permission: phrase(locale, missing[0]), channel: `<#${channelId}>` });
}

/** The channel that a message's link names. */
function channelOf(link: string | undefined): Snowflake | null {
  return /\/channels\/\d+\/(\d{15,19})\/\d+\s*$/.exec(link ?? "")?.[1] ?? null;
}
