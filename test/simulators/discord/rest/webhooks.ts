import { erase, post } from "../world/posting.ts";
import { messagePayload } from "../world/payloads.ts";
import type { Message } from "../world/message.ts";
import type { Webhook } from "../world/records.ts";
import { hook } from "../world/world.ts";
import { channelAt, need } from "./access.ts";
import { invalidForm, refusals } from "./api-error.ts";
import type { Call, Reply, Route } from "./call.ts";
import { editAnswer, eraseAnswer, followUp, interactionOf, readAnswer } from "./interaction-answers.ts";
import { checkNotEmpty, readMessageForm } from "./message-form.ts";
import { change } from "./messages.ts";
import { watchDoubles } from "./posts.ts";

const withToken = "/webhooks/:webhook/:token";
const itsMessage = `${withToken}/messages/:message`;

/** Webhooks of channels; the same paths with an application's id and an interaction's token answer the interaction. */
export const webhookRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/channels/:channel/webhooks",
    answer: (call) => {
      const channel = channelAt(call);
      need(call, channel, "manageWebhooks");
      return { body: inChannel(call, channel.id).map(webhookPayload) };
    },
  },
  { method: "POST", path: "/channels/:channel/webhooks", answer: create },
  { method: "GET", path: "/webhooks/:webhook", answer: (call) => ({ body: webhookPayload(managed(call)) }) },
  {
    method: "DELETE",
    path: "/webhooks/:webhook",
    answer: (call) => {
      call.state.webhooks.delete(managed(call).id);
      return undefined;
    },
  },
  { method: "GET", path: withToken, open: true, answer: (call) => ({ body: webhookPayload(webhookAt(call)) }) },
  {
    method: "DELETE",
    path: withToken,
    open: true,
    answer: (call) => {
      call.state.webhooks.delete(webhookAt(call).id);
      return undefined;
    },
  },
  { method: "POST", path: withToken, open: true, answer: execute },
  {
    method: "GET",
    path: itsMessage,
    open: true,
    answer: (call) => (isInteraction(call) ? readAnswer(call) : { body: messagePayload(call.state, messageOf(call)) }),
  },
  {
    method: "PATCH",
    path: itsMessage,
    open: true,
    answer: (call) =>
      isInteraction(call) ? editAnswer(call) : { body: messagePayload(call.state, change(call, messageOf(call))) },
  },
  {
    method: "DELETE",
    path: itsMessage,
    open: true,
    answer: (call) => {
      if (isInteraction(call)) return eraseAnswer(call);
      erase(call.state, call.gateway.deliver, messageOf(call));
      return undefined;
    },
  },
];

function create(call: Call): Reply {
  const channel = channelAt(call);
  need(call, channel, "manageWebhooks");
  if (channel.thread !== null || channel.type === 4) throw refusals.wrongChannelType();
  const name = checkName(call.body["name"], "name");
  if (inChannel(call, channel.id).length >= 15) throw refusals.tooManyWebhooks();
  return { body: webhookPayload(hook(call.state, channel, call.bot.id, name)) };
}

function execute(call: Call): Reply | undefined {
  if (isInteraction(call)) return followUp(call);
  const webhook = webhookAt(call);
  const form = readMessageForm(call.body);
  checkNotEmpty(form, call);
  const { username = webhook.name } = call.body;
  const thread = call.query.get("thread_id");
  const channel = call.state.channels.get(thread ?? webhook.channelId);
  if (channel === undefined || (thread !== null && channel.parentId !== webhook.channelId))
    throw refusals.unknownChannel();
  const message = post(call.state, call.gateway.deliver, {
    channel,
    authorId: webhook.id,
    authorName: checkName(username, "username"),
    webhookId: webhook.id,
    applicationId: call.state.bots.has(webhook.ownerId) ? webhook.ownerId : null,
    content: form.content ?? "",
    allowedMentions: form.allowedMentions,
    embeds: form.embeds ?? [],
    components: form.components ?? [],
    attachments: call.files,
    flags: form.flags,
  });
  watchDoubles(call, message);
  return call.query.get("wait") === "true" ? { body: messagePayload(call.state, message) } : undefined;
}

function isInteraction(call: Call): boolean {
  return interactionOf(call) !== null;
}

function inChannel({ state }: Call, channelId: string): Webhook[] {
  return [...state.webhooks.values()].filter((one) => one.channelId === channelId);
}

function webhookAt(call: Call): Webhook {
  const webhook = call.state.webhooks.get(call.at["webhook"] ?? "");
  if (webhook === undefined) throw refusals.unknownWebhook();
  if (webhook.token !== call.at["token"]) throw refusals.badWebhookToken();
  return webhook;
}

function managed(call: Call): Webhook {
  const webhook = call.state.webhooks.get(call.at["webhook"] ?? "");
  if (webhook === undefined) throw refusals.unknownWebhook();
  need(call, channelAt(call, webhook.channelId), "manageWebhooks");
  return webhook;
}

function messageOf(call: Call): Message {
  const webhook = webhookAt(call);
  const message = call.state.messages.get(call.at["message"] ?? "");
  if (message === undefined || message.deletedAt !== null || message.webhookId !== webhook.id)
    throw refusals.unknownMessage();
  return message;
}

function checkName(name: unknown, field: string): string {
  if (typeof name !== "string" || name.length < 1 || name.length > 80)
    throw invalidForm(field, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.");
  const forbidden = /discord|clyde/iu.exec(name)?.[0];
  if (forbidden !== undefined)
    throw invalidForm(field, "USERNAME_INVALID_CONTAINS", `Username cannot contain "${forbidden.toLowerCase()}"`);
  return name;
}

function webhookPayload(webhook: Webhook): object {
  const { id, channelId, guildId, ownerId, token, name } = webhook;
  return { id, type: 1, channel_id: channelId, guild_id: guildId, name, token, avatar: null, application_id: ownerId };
}
