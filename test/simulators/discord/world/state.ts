import type { Interaction } from "./interaction.ts";
import type { Message } from "./message.ts";
import type { Bot, Channel, Guild, Ref, User, Webhook } from "./records.ts";
import type { Snowflakes } from "./snowflakes.ts";

/** Everything there is, by id. Nothing in here tells the gateway of a change: that is done by those who change it. */
export interface State {
  /** Where the simulator is, for the addresses of attachments. */
  origin: string;
  readonly now: () => number;
  readonly snowflakes: Snowflakes;
  readonly users: Map<string, User>;
  readonly bots: Map<string, Bot>;
  readonly guilds: Map<string, Guild>;
  readonly channels: Map<string, Channel>;
  readonly messages: Map<string, Message>;
  /** In the order they were sent, deleted ones included. */
  readonly history: Map<string, Message[]>;
  readonly webhooks: Map<string, Webhook>;
  readonly interactions: Map<string, Interaction>;
  readonly typing: Typing[];
  user(ref: Ref): User;
  bot(ref: Ref): Bot;
  guild(ref: Ref): Guild;
  channel(ref: Ref): Channel;
  message(ref: Ref): Message;
}

export interface Typing {
  readonly channelId: string;
  readonly userId: string;
  readonly at: number;
}

export function makeState(now: () => number, snowflakes: Snowflakes): State {
  const users = new Map<string, User>();
  const bots = new Map<string, Bot>();
  const guilds = new Map<string, Guild>();
  const channels = new Map<string, Channel>();
  const messages = new Map<string, Message>();
  return {
    origin: "",
    now,
    snowflakes,
    users,
    bots,
    guilds,
    channels,
    messages,
    history: new Map(),
    webhooks: new Map(),
    interactions: new Map(),
    typing: [],
    user: (ref) => found(users, ref, "user"),
    bot: (ref) => found(bots, ref, "bot"),
    guild: (ref) => found(guilds, ref, "guild"),
    channel: (ref) => found(channels, ref, "channel"),
    message: (ref) => found(messages, ref, "message"),
  };
}

export function idOf(ref: Ref): string {
  return typeof ref === "string" ? ref : ref.id;
}

function found<T>(records: ReadonlyMap<string, T>, ref: Ref, what: string): T {
  const record = records.get(idOf(ref));
  if (record === undefined) throw new Error(`the simulator has no ${what} ${idOf(ref)}`);
  return record;
}

/** The messages that are still there, oldest first. */
export function visibleHistory(state: State, channelId: string): Message[] {
  return (state.history.get(channelId) ?? []).filter((message) => message.deletedAt === null);
}
