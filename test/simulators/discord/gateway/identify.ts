import type { Limits } from "../limits.ts";
import type { Report } from "../report.ts";
import { intents } from "../world/events.ts";
import type { Bot } from "../world/records.ts";
import { shardOf } from "../world/snowflakes.ts";
import type { State } from "../world/state.ts";
import { closeCode, isIntents, type Identify } from "./wire.ts";

const dayMs = 86_400_000;

/** What becomes of an IDENTIFY: a bot and its intents, a close code, or an invalid session. */
type Judgement =
  | { readonly bot: Bot; readonly intents: number }
  | { readonly close: number; readonly reason: string }
  | { readonly invalid: string };

export interface Identifications {
  judge(identify: Identify): Judgement;
  /** As GET /gateway/bot tells it. */
  startLimit(bot: Bot): { total: number; remaining: number; reset_after: number; max_concurrency: number };
}

/** Watches over the pace and the daily number of IDENTIFYs per bot, across all connections. */
export function makeIdentifications(state: State, limits: Limits, report: Report): Identifications {
  const lastAt = new Map<string, number>();
  const days = new Map<string, { used: number; endsAt: number }>();
  const dayOf = (bot: Bot) => {
    const day = days.get(bot.id);
    if (day !== undefined && day.endsAt > state.now()) return day;
    const fresh = { used: 0, endsAt: state.now() + dayMs };
    days.set(bot.id, fresh);
    return fresh;
  };

  const judge = ({ token, intents: asked, shard: [shard, shards] }: Identify): Judgement => {
    const bot = botOf(state, token);
    if (bot === null) return { close: closeCode.authenticationFailed, reason: "Authentication failed." };
    const day = dayOf(bot);
    day.used += 1;
    if (day.used > limits.identifyBudget) {
      bot.revoked = "more IDENTIFYs than the daily budget";
      report.tokenResets.push(`${bot.name}: ${bot.revoked}`);
      return { close: closeCode.authenticationFailed, reason: "Authentication failed." };
    }
    if (!isShard(shard, shards)) return { close: closeCode.invalidShard, reason: "Invalid shard." };
    const mine = [...state.guilds.values()].filter((guild) => guild.members.has(bot.id));
    const onShard = mine.filter((guild) => shardOf(guild.id, shards) === shard).length;
    if (onShard > limits.guildsPerShard) return { close: closeCode.shardingRequired, reason: "Sharding required." };
    if (!isIntents(asked)) return { close: closeCode.invalidIntents, reason: "Invalid intent(s)." };
    if ((asked & ~allowedIntents(bot)) !== 0)
      return { close: closeCode.disallowedIntents, reason: "Disallowed intent(s)." };
    const key = `${bot.id} ${shard % limits.maxConcurrency}`;
    const since = state.now() - (lastAt.get(key) ?? -Infinity);
    if (since < limits.identifyEveryMs) return { invalid: `${since} ms after the one before` };
    lastAt.set(key, state.now());
    return { bot, intents: asked };
  };

  return {
    judge: (identify) => {
      const shard = identify.shard.join("/");
      report.identifies += 1;
      (report.identifyTimes[shard] ??= []).push(state.now());
      const judgement = judge(identify);
      const reason = "invalid" in judgement ? judgement.invalid : "close" in judgement ? judgement.reason : null;
      if (reason !== null) report.refusedIdentifies.push({ at: state.now(), shard, reason });
      return judgement;
    },
    startLimit: (bot) => {
      const day = dayOf(bot);
      const remaining = Math.max(0, limits.identifyBudget - day.used);
      const resetAfter = day.used === 0 ? 0 : day.endsAt - state.now();
      return {
        total: limits.identifyBudget,
        remaining,
        reset_after: resetAfter,
        max_concurrency: limits.maxConcurrency,
      };
    },
  };
}

/** The bot with this token; null when there is none or its tokens were revoked. */
export function botOf(state: State, token: string): Bot | null {
  const bot = [...state.bots.values()].find((one) => one.tokens.includes(token));
  return bot === undefined || bot.revoked !== null ? null : bot;
}

function isShard(shard: number, shards: number): boolean {
  return Number.isInteger(shard) && Number.isInteger(shards) && shard >= 0 && shards > 0 && shard < shards;
}

function allowedIntents(bot: Bot): number {
  let allowed = ~(intents.guildMembers | intents.guildPresences | intents.messageContent);
  if (bot.privileged.includes("members")) allowed |= intents.guildMembers;
  if (bot.privileged.includes("presences")) allowed |= intents.guildPresences;
  if (bot.privileged.includes("content")) allowed |= intents.messageContent;
  return allowed;
}
