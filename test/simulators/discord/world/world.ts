import { randomBytes } from "node:crypto";
import { makeBuilder } from "./building.ts";
import { channelEvent, intents, type Deliver } from "./events.ts";
import type { Gesture } from "./gesture.ts";
import { interact } from "./interacting.ts";
import type { Interaction } from "./interaction.ts";
import type { Fields, Message } from "./message.ts";
import { erase, eraseMany, post, unfurl, revise, setReaction, type FileDraft } from "./posting.ts";
import { forwardPayload, pollPayload } from "./payloads.ts";
import type { Bot, Channel, Command, PrivilegedIntent, Ref, Webhook } from "./records.ts";
import { shardOf } from "./snowflakes.ts";
import { idOf, visibleHistory, type State, type Typing } from "./state.ts";
import { joinThread, openThread, setThread } from "./threads.ts";

export interface BotOptions {
  readonly name: string;
  readonly token: string;
  /** Only "content" unless told otherwise. */
  readonly privileged?: readonly PrivilegedIntent[];
}

export interface Saying {
  readonly channel: Ref;
  /** A user, or a foreign bot. */
  readonly author: Ref;
  readonly text: string;
  readonly replyTo?: Ref;
  readonly attachments?: readonly FileDraft[];
  readonly embeds?: readonly Fields[];
  readonly stickers?: readonly { readonly id: string; readonly name: string; readonly format_type: number }[];
  readonly poll?: { readonly question: string; readonly answers: readonly string[] };
  /** 0, or 19 for a reply, unless told otherwise: 6 is a pin, 7 a join, 8 a boost. */
  readonly type?: number;
}

export type World = ReturnType<typeof makeWorld>;

/** Everything people can do on Discord; each deed reaches the gateway's sessions before the call returns. */
export function makeWorld(state: State, deliver: Deliver) {
  const builder = makeBuilder(state, deliver);

  const addBot = ({ name, token, privileged = ["content"] }: BotOptions): Bot => {
    const bot: Bot = {
      id: state.snowflakes.next(),
      name,
      globalName: null,
      bot: true,
      locale: "en-US",
      tokens: [token],
      revoked: null,
      privileged: [...privileged],
      commands: new Map(),
    };
    state.users.set(bot.id, bot);
    state.bots.set(bot.id, bot);
    return bot;
  };
  const reception = addBot({ name: "reception", token: "sim-reception-token-0000" });
  reception.tokens.push("sim");

  return {
    /** The bot that is there from the start, with the tokens "sim-reception-token-0000" and "sim". */
    reception,
    addBot,
    ...builder,
    setPrivileged: (bot: Ref, privileged: readonly PrivilegedIntent[]): void => {
      state.bot(bot).privileged = [...privileged];
    },

    addThread: (
      ref: Ref,
      options: {
        readonly name: string;
        readonly private?: boolean;
        readonly owner: Ref;
        readonly members?: readonly Ref[];
        readonly from?: Ref;
      },
    ): Channel => {
      const from = options.from === undefined ? {} : { from: state.message(options.from) };
      const members = (options.members ?? []).map(idOf);
      const draft = { parent: state.channel(ref), name: options.name, ownerId: idOf(options.owner), members, ...from };
      return openThread(state, deliver, { ...draft, private: options.private ?? false });
    },
    addForumPost: (
      ref: Ref,
      options: { readonly name: string; readonly author: Ref; readonly text: string },
    ): { readonly thread: Channel; readonly message: Message } => {
      const authorId = idOf(options.author);
      const thread = openThread(state, deliver, { parent: state.channel(ref), name: options.name, ownerId: authorId });
      const draft = { id: thread.id, channel: thread, authorId, content: options.text };
      return { thread, message: post(state, deliver, draft) };
    },
    joinThread: (ref: Ref, user: Ref): void => joinThread(state, deliver, state.channel(ref), idOf(user)),
    setThread: (ref: Ref, change: { readonly archived?: boolean; readonly locked?: boolean }): void =>
      setThread(state, deliver, state.channel(ref), change),
    /** The one direct conversation of the two; Discord announces it by its first message. */
    openDm: (user: Ref, bot: Ref): Channel => openDirect(state, idOf(user), idOf(bot)),

    /** Says something without asking whether the author may: people are stopped by Discord's own clients. */
    say: (saying: Saying): Message => {
      const { channel, author, text, replyTo, attachments = [], embeds = [], stickers = [], type } = saying;
      const answered = replyTo === undefined ? {} : { replyTo: idOf(replyTo) };
      const kind = type === undefined ? {} : { type };
      const shared = { channel: state.channel(channel), authorId: idOf(author), content: text, stickers };
      const besides = saying.poll === undefined ? {} : { poll: pollPayload(saying.poll) };
      return post(state, deliver, { ...shared, attachments, embeds, besides, ...answered, ...kind });
    },
    /** Shows a message of anywhere in a channel, without words of one's own. */
    forward: ({ message, channel, author }: { message: Ref; channel: Ref; author: Ref }): Message =>
      post(state, deliver, {
        channel: state.channel(channel),
        authorId: idOf(author),
        content: "",
        besides: forwardPayload(state, state.message(message)),
      }),
    edit: (message: Ref, text: string): Message => revise(state, deliver, state.message(message), { content: text }),
    delete: (message: Ref): void => erase(state, deliver, state.message(message)),
    deleteMany: (channel: Ref, messages: readonly Ref[]): void =>
      eraseMany(
        state,
        deliver,
        state.channel(channel),
        messages.map((one) => state.message(one)),
      ),
    /** What Discord does to a message with a link a moment later: an update that is no edit. */
    unfurl: (message: Ref, embeds: readonly Fields[]): void => unfurl(state, deliver, state.message(message), embeds),
    react: (message: Ref, user: Ref, emoji: string): void => {
      setReaction(state, deliver, { message: state.message(message), userId: idOf(user), emoji }, true);
    },
    unreact: (message: Ref, user: Ref, emoji: string): void => {
      setReaction(state, deliver, { message: state.message(message), userId: idOf(user), emoji }, false);
    },
    type: (channel: Ref, user: Ref): void => noteTyping(state, deliver, state.channel(channel), idOf(user)),
    removeWebhook: (ref: Ref): void => void state.webhooks.delete(idOf(ref)),
    addWebhook: (channel: Ref, owner: Ref, name: string): Webhook =>
      hook(state, state.channel(channel), idOf(owner), name),
    webhookSay: (webhook: Ref, text: string, name?: string): Message => {
      const { id, channelId, name: usual } = found(state.webhooks.get(idOf(webhook)));
      const shown = { authorId: id, authorName: name ?? usual, webhookId: id };
      return post(state, deliver, { channel: state.channel(channelId), content: text, ...shown });
    },
    interact: (gesture: Gesture): Interaction => interact(state, deliver, gesture, state.bot(gesture.bot ?? reception)),
    /** As it stands now; the record that interact returned changes by itself. */
    interaction: (ref: Ref): Interaction => found(state.interactions.get(idOf(ref))),

    /** Oldest first. */
    interactions: (channel?: Ref): Interaction[] =>
      [...state.interactions.values()].filter((one) => channel === undefined || one.channelId === idOf(channel)),

    message: (ref: Ref): Message => state.message(ref),
    /** Oldest first; deleted ones only when asked for, with `deletedAt` set. */
    messages: (channel: Ref, options: { readonly deleted?: boolean } = {}): Message[] =>
      options.deleted === true ? [...(state.history.get(idOf(channel)) ?? [])] : visibleHistory(state, idOf(channel)),
    /** Who was seen typing, where and when; of one channel or of all. */
    typing: (channel?: Ref): Typing[] =>
      state.typing.filter((one) => channel === undefined || one.channelId === idOf(channel)),
    /** What the bot registered, globally or for a guild. */
    commands: (bot: Ref, guild?: Ref): Command[] =>
      state.bot(bot).commands.get(guild === undefined ? "global" : idOf(guild)) ?? [],
    shardOf: (guild: Ref, shardCount: number): number => shardOf(idOf(guild), shardCount),
    bots: (): Bot[] => [...state.bots.values()],
    everything: () => ({
      bots: [...state.bots.values()],
      users: [...state.users.values()].filter(({ bot }) => !bot),
      guilds: [...state.guilds.values()],
      channels: [...state.channels.values()],
    }),
  };
}

export function openDirect(state: State, userId: string, botId: string): Channel {
  for (const channel of state.channels.values()) {
    if (channel.type === 1 && channel.recipients.includes(userId) && channel.recipients.includes(botId)) return channel;
  }
  const empty = { name: null, topic: null, parentId: null, nsfw: false, position: 0, overwrites: [], thread: null };
  const recipients = [state.user(userId).id, state.user(botId).id];
  const channel: Channel = {
    id: state.snowflakes.next(),
    type: 1,
    guildId: null,
    lastMessageId: null,
    recipients,
    ...empty,
  };
  state.channels.set(channel.id, channel);
  return channel;
}

/** Notes that somebody types and tells the gateway. */
export function noteTyping(state: State, deliver: Deliver, channel: Channel, userId: string): void {
  state.typing.push({ channelId: channel.id, userId, at: state.now() });
  const guild = channel.guildId === null ? {} : { guild_id: channel.guildId };
  const data = { channel_id: channel.id, user_id: userId, timestamp: Math.floor(state.now() / 1000), ...guild };
  const intent = { guild: intents.guildMessageTyping, direct: intents.directMessageTyping };
  deliver(channelEvent(state, channel, "TYPING_START", intent, () => data));
}

export function hook(state: State, channel: Channel, ownerId: string, name: string): Webhook {
  if (channel.guildId === null) throw new Error("a direct conversation has no webhooks");
  const id = state.snowflakes.next();
  const token = randomBytes(48).toString("base64url");
  const webhook = { id, channelId: channel.id, guildId: channel.guildId, ownerId, token, name };
  state.webhooks.set(id, webhook);
  return webhook;
}

function found<T>(record: T | undefined): T {
  if (record === undefined) throw new Error("the simulator has no such webhook or interaction");
  return record;
}
