import { channelEvent, intents, type Deliver } from "./events.ts";
import type { Message } from "./message.ts";
import { channelPayload } from "./payloads.ts";
import type { Channel } from "./records.ts";
import type { State } from "./state.ts";

export interface ThreadDraft {
  readonly parent: Channel;
  readonly name: string;
  readonly ownerId: string;
  readonly private?: boolean;
  /** The thread then has the id of this message. */
  readonly from?: Message;
  readonly members?: readonly string[];
}

const threadIntents = { guild: intents.guilds, direct: intents.guilds };

/** Opens a thread and tells the gateway. */
export function openThread(state: State, deliver: Deliver, draft: ThreadDraft): Channel {
  const { parent, from } = draft;
  const inAnnouncements = parent.type === 5 ? 10 : 11;
  const thread: Channel = {
    id: from?.id ?? state.snowflakes.next(),
    type: draft.private === true ? 12 : inAnnouncements,
    guildId: parent.guildId,
    name: draft.name,
    topic: null,
    parentId: parent.id,
    nsfw: parent.nsfw,
    position: 0,
    overwrites: [],
    lastMessageId: null,
    recipients: [],
    thread: {
      ownerId: draft.ownerId,
      members: new Set([draft.ownerId, ...(draft.members ?? [])]),
      archived: false,
      locked: false,
    },
  };
  state.channels.set(thread.id, thread);
  if (from !== undefined) from.threadId = thread.id;
  // A forum has no messages of its own, and names its newest post here.
  if (parent.type === 15) parent.lastMessageId = thread.id;
  deliver(
    channelEvent(state, thread, "THREAD_CREATE", threadIntents, (bot) => ({
      ...channelPayload(state, thread),
      newly_created: true,
      ...(thread.thread?.members.has(bot.id) === true ? { member: threadMember(state, thread, bot.id) } : {}),
    })),
  );
  return thread;
}

/** Adds somebody to a thread; a bot that was added to a private one hears of the thread only now. */
export function joinThread(state: State, deliver: Deliver, channel: Channel, userId: string): void {
  if (channel.thread === null) throw new Error(`${channel.id} is no thread`);
  channel.thread.members.add(userId);
  const data = () => ({ ...channelPayload(state, channel), member: threadMember(state, channel, userId) });
  const event = channelEvent(state, channel, "THREAD_CREATE", threadIntents, data);
  deliver({ ...event, concerns: (bot) => bot.id === userId });
}

export function setThread(
  state: State,
  deliver: Deliver,
  channel: Channel,
  change: { readonly archived?: boolean; readonly locked?: boolean },
): void {
  if (channel.thread === null) throw new Error(`${channel.id} is no thread`);
  channel.thread.archived = change.archived ?? channel.thread.archived;
  channel.thread.locked = change.locked ?? channel.thread.locked;
  deliver(channelEvent(state, channel, "THREAD_UPDATE", threadIntents, () => channelPayload(state, channel)));
}

function threadMember(state: State, channel: Channel, userId: string): object {
  return { id: channel.id, user_id: userId, join_timestamp: new Date(state.now()).toISOString(), flags: 0 };
}
