import { activeThreads, channelsOf } from "../world/guild-create.ts";
import { channelPayload, guildPayload, memberPayload, rolePayload, userPayload } from "../world/payloads.ts";
import { joinThread, openThread, setThread } from "../world/threads.ts";
import { post } from "../world/posting.ts";
import { channelAt, guildAt, messageAt, need, shown } from "./access.ts";
import { invalidForm, refusals, tooLong } from "./api-error.ts";
import type { Call, Reply, Route } from "./call.ts";
import { checkNotEmpty, readMessageForm } from "./message-form.ts";

/** Guilds, their channels, roles and members, and threads. */
export const placeRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/guilds/:guild",
    answer: (call) => {
      const guild = guildAt(call);
      const counts = call.query.get("with_counts") === "true" ? { approximate_member_count: guild.members.size } : {};
      return { body: { ...guildPayload(guild), ...counts } };
    },
  },
  {
    method: "GET",
    path: "/guilds/:guild/channels",
    answer: (call) => ({
      body: channelsOf(call.state, guildAt(call))
        .filter(({ thread }) => thread === null)
        .map((channel) => channelPayload(call.state, channel)),
    }),
  },
  {
    method: "GET",
    path: "/guilds/:guild/roles",
    answer: (call) => ({ body: [...guildAt(call).roles.values()].map(rolePayload) }),
  },
  {
    method: "GET",
    path: "/guilds/:guild/threads/active",
    answer: (call) => ({
      body: {
        threads: activeThreads(call.state, guildAt(call), call.bot.id).map((one) => channelPayload(call.state, one)),
        members: [],
      },
    }),
  },
  {
    method: "GET",
    path: "/guilds/:guild/members/:user",
    answer: (call) => {
      const id = call.at["user"] === "@me" ? call.bot.id : (call.at["user"] ?? "");
      const member = guildAt(call).members.get(id);
      if (member === undefined) throw refusals.unknownMember();
      return { body: { ...memberPayload(member), user: userPayload(call.state.user(id)) } };
    },
  },
  {
    method: "GET",
    path: "/channels/:channel",
    answer: (call) => ({ body: channelPayload(call.state, channelAt(call)) }),
  },
  {
    method: "PATCH",
    path: "/channels/:channel",
    answer: (call) => {
      const channel = channelAt(call);
      need(call, channel, channel.thread === null ? "manageChannels" : "manageThreads");
      if (channel.thread === null) throw refusals.wrongChannelType();
      const { archived, locked } = call.body;
      setThread(call.state, call.gateway.deliver, channel, {
        ...(typeof archived === "boolean" ? { archived } : {}),
        ...(typeof locked === "boolean" ? { locked } : {}),
      });
      return { body: channelPayload(call.state, channel) };
    },
  },
  { method: "POST", path: "/channels/:channel/threads", answer: createThread },
  { method: "POST", path: "/channels/:channel/messages/:message/threads", answer: createThread },
  {
    method: "PUT",
    path: "/channels/:channel/thread-members/@me",
    answer: (call) => {
      joinThread(call.state, call.gateway.deliver, channelAt(call), call.bot.id);
      return undefined;
    },
  },
];

function createThread(call: Call): Reply {
  const { state, bot, body, gateway } = call;
  const parent = channelAt(call);
  const { name, type = 12, message } = body;
  if (typeof name !== "string" || name === "")
    throw invalidForm("name", "BASE_TYPE_REQUIRED", "This field is required");
  if (name.length > 100) throw tooLong("name", 100);
  if (![0, 5, 15].includes(parent.type)) throw refusals.wrongChannelType();
  const draft = { parent, name, ownerId: bot.id };
  if (parent.type === 15) {
    need(call, parent, "sendMessages");
    const first = { body: (message ?? {}) as Call["body"], files: call.files };
    const form = readMessageForm(first.body);
    checkNotEmpty(form, first);
    const thread = openThread(state, gateway.deliver, draft);
    const said = { content: form.content ?? "", allowedMentions: form.allowedMentions, attachments: call.files };
    const opening = post(state, gateway.deliver, { channel: thread, authorId: bot.id, ...said });
    return { status: 201, body: { ...channelPayload(state, thread), message: shown(state, opening, bot) } };
  }
  const from = call.at["message"] === undefined ? null : messageAt(call, parent);
  if (from?.threadId != null) throw refusals.threadExists();
  const hidden = from === null && type === 12;
  need(call, parent, hidden ? "createPrivateThreads" : "createPublicThreads");
  const started = openThread(state, gateway.deliver, { ...draft, private: hidden, ...(from === null ? {} : { from }) });
  return { status: 201, body: channelPayload(state, started) };
}
