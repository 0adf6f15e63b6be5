import type { Message } from "../world/message.ts";
import { erase, post, revise } from "../world/posting.ts";
import type { Channel } from "../world/records.ts";
import { compareIds } from "../world/snowflakes.ts";
import { visibleHistory } from "../world/state.ts";
import { noteTyping } from "../world/world.ts";
import { allows, channelAt, messageAt, need, shown } from "./access.ts";
import { invalidForm, refusals } from "./api-error.ts";
import type { Call, Reply, Route } from "./call.ts";
import { checkNotEmpty, readMessageForm, readNonce } from "./message-form.ts";
import { recall, remember, watchDoubles } from "./posts.ts";

/** Messages of a channel: read, said, changed, deleted; and typing. */
export const messageRoutes: readonly Route[] = [
  { method: "GET", path: "/channels/:channel/messages", answer: list },
  { method: "POST", path: "/channels/:channel/messages", answer: create },
  {
    method: "GET",
    path: "/channels/:channel/messages/:message",
    answer: (call) => {
      const channel = channelAt(call);
      need(call, channel, "readMessageHistory");
      return { body: shown(call.state, messageAt(call, channel), call.bot) };
    },
  },
  {
    method: "PATCH",
    path: "/channels/:channel/messages/:message",
    answer: (call) => {
      const message = messageAt(call, channelAt(call));
      if (message.authorId !== call.bot.id) throw refusals.othersMessage();
      return { body: shown(call.state, change(call, message), call.bot) };
    },
  },
  {
    method: "DELETE",
    path: "/channels/:channel/messages/:message",
    answer: (call) => {
      const channel = channelAt(call);
      const message = messageAt(call, channel);
      if (message.authorId !== call.bot.id) need(call, channel, "manageMessages");
      erase(call.state, call.gateway.deliver, message);
      return undefined;
    },
  },
  {
    method: "POST",
    path: "/channels/:channel/typing",
    answer: (call) => {
      const channel = channelAt(call);
      need(call, channel, "sendMessages");
      noteTyping(call.state, call.gateway.deliver, channel, call.bot.id);
      return undefined;
    },
  },
];

function list(call: Call): Reply {
  const channel = channelAt(call);
  const limit = Number(call.query.get("limit") ?? 50);
  if (!(limit >= 1 && limit <= 100))
    throw invalidForm("limit", "NUMBER_TYPE_MAX", "int value should be less than or equal to 100.");
  if (!allows(call.state, channel, call.bot, "readMessageHistory")) return { body: [] };
  const newestFirst = pick(visibleHistory(call.state, channel.id), call.query, limit).toReversed();
  return { body: newestFirst.map((message) => shown(call.state, message, call.bot)) };
}

/** Of the messages, oldest first, those that before, after or around ask for. */
function pick(history: readonly Message[], query: URLSearchParams, limit: number): readonly Message[] {
  const [before, after, around] = [query.get("before"), query.get("after"), query.get("around")];
  if (around !== null) {
    const middle = history.findIndex(({ id }) => compareIds(id, around) >= 0);
    const start = Math.max(0, (middle === -1 ? history.length : middle) - Math.floor(limit / 2));
    return history.slice(start, start + limit);
  }
  if (after !== null) return history.filter(({ id }) => compareIds(id, after) > 0).slice(0, limit);
  if (before !== null) return history.filter(({ id }) => compareIds(id, before) < 0).slice(-limit);
  return history.slice(-limit);
}

function create(call: Call): Reply {
  const { state, report, body, files, bot } = call;
  const channel = channelAt(call);
  if (channel.type === 4 || channel.type === 15) throw refusals.notInVoice();
  need(call, channel, "sendMessages");
  if (channel.thread?.locked === true && !allows(state, channel, bot, "manageThreads")) throw refusals.threadLocked();
  const form = readMessageForm(body);
  const nonce = readNonce(body);
  checkNotEmpty(form, call);
  if (files.length > 0) need(call, channel, "attachFiles");
  if ((form.embeds?.length ?? 0) > 0) need(call, channel, "embedLinks");
  const replyTo = readReference(call, channel);
  const known = nonce !== null && body["enforce_nonce"] === true ? recall(call, nonce) : null;
  if (known !== null) {
    report.dedupedPosts += 1;
    return { body: shown(state, known, bot) };
  }
  const message = post(state, call.gateway.deliver, {
    channel,
    authorId: bot.id,
    content: form.content ?? "",
    nonce,
    replyTo,
    allowedMentions: form.allowedMentions,
    embeds: form.embeds ?? [],
    components: form.components ?? [],
    attachments: files,
    flags: form.flags,
  });
  if (nonce !== null) remember(call, nonce, message);
  watchDoubles(call, message);
  return { body: shown(state, message, bot) };
}

function readReference(call: Call, channel: Channel): string | null {
  const reference = call.body["message_reference"];
  if (typeof reference !== "object" || reference === null) return null;
  const { message_id: id, fail_if_not_exists: mustExist = true } = reference as Record<string, unknown>;
  const answered = call.state.messages.get(String(id));
  if (answered === undefined || answered.deletedAt !== null || answered.channelId !== channel.id) {
    if (mustExist !== false) throw invalidForm("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message");
    return null;
  }
  if (!allows(call.state, channel, call.bot, "readMessageHistory")) throw refusals.noHistory();
  return answered.id;
}

/** Applies a PATCH to a message; what is left out stays. */
export function change(call: Call, message: Message): Message {
  const form = readMessageForm(call.body);
  const after = { ...form, content: form.content ?? message.content, embeds: form.embeds ?? message.embeds };
  if (message.attachments.length === 0)
    checkNotEmpty({ ...after, components: form.components ?? message.components }, call);
  return revise(call.state, call.gateway.deliver, message, {
    ...(form.content === null ? {} : { content: form.content }),
    ...(form.embeds === null ? {} : { embeds: form.embeds }),
    ...(form.components === null ? {} : { components: form.components }),
    attachments: call.files,
    ...keptOf(call.body["attachments"]),
    allowedMentions: form.allowedMentions,
  });
}

/** A list of attachments in a PATCH names those that stay, by their ids, and new ones by the numbers of their files. */
function keptOf(listed: unknown): { keep?: readonly string[] } {
  return Array.isArray(listed) ? { keep: listed.map((one: { id?: unknown }) => String(one.id)) } : {};
}
