import { messageFlags, type Message } from "../world/message.ts";
import type { Interaction } from "../world/interaction.ts";
import { messagePayload } from "../world/payloads.ts";
import { erase, post, revise } from "../world/posting.ts";
import { refusals, type ApiError } from "./api-error.ts";
import type { Call, Reply } from "./call.ts";
import { checkNotEmpty, readMessageForm, type MessageForm } from "./message-form.ts";
import { change } from "./messages.ts";
import { watchDoubles } from "./posts.ts";

/** The interaction whose application and token are in the path; null when it is some webhook's path. */
export function interactionOf({ state, at }: Call): Interaction | null {
  if (!state.bots.has(at["webhook"] ?? "")) return null;
  return [...state.interactions.values()].find(({ token }) => token === at["token"]) ?? null;
}

/** The first response to an interaction, whether it is shown at once or only promised. */
export function respond(call: Call, interaction: Interaction, form: MessageForm, deferred: boolean): Message {
  const ephemeral = (form.flags & messageFlags.ephemeral) !== 0;
  interaction.ephemeral = ephemeral;
  interaction.deferred = deferred;
  const message = send(call, interaction, form, deferred ? messageFlags.loading : 0);
  interaction.originalId = message.id;
  if (!deferred) settle(call, interaction, message);
  return message;
}

/** A further message; after a deferral the first one fills the promised place, unless the bot has taken that back. */
export function followUp(call: Call): Reply {
  const interaction = open(call);
  const form = readMessageForm(call.body);
  checkNotEmpty(form, call);
  const original = interaction.originalId === null ? null : call.state.message(interaction.originalId);
  const promised = original !== null && original.deletedAt === null && (original.flags & messageFlags.loading) !== 0;
  const message = promised ? fill(call, interaction, original) : send(call, interaction, form, 0);
  return { body: messagePayload(call.state, message) };
}

export function readAnswer(call: Call): Reply {
  return { body: messagePayload(call.state, messageIn(call, open(call))) };
}

export function editAnswer(call: Call): Reply {
  const interaction = open(call);
  const message = messageIn(call, interaction);
  return { body: messagePayload(call.state, fill(call, interaction, message)) };
}

export function eraseAnswer(call: Call): undefined {
  erase(call.state, call.gateway.deliver, messageIn(call, open(call)));
}

/** The interaction of the path, while its token lasts and after it was called back. */
function open(call: Call): Interaction {
  const interaction = interactionOf(call);
  if (interaction === null) throw refusals.unknownWebhook();
  const afterMs = call.state.now() - interaction.createdAt;
  if (afterMs > call.limits.interactionTokenMs) throw refuse(call, interaction, refusals.badWebhookToken());
  if (interaction.respondedAfterMs === null) throw refuse(call, interaction, refusals.unknownWebhook());
  return interaction;
}

/** Notes on the interaction that the bot came too late or twice. */
export function refuse({ state }: Call, interaction: Interaction, error: ApiError): ApiError {
  interaction.refused.push({ afterMs: state.now() - interaction.createdAt, code: error.code });
  return error;
}

function messageIn(call: Call, interaction: Interaction): Message {
  const asked = call.at["message"];
  const id = asked === "@original" ? interaction.originalId : asked;
  const message = interaction.messages.find((one) => one.id === id);
  if (message !== undefined && message.deletedAt === null) return message;
  // A button's original is the message it is on.
  if (asked === "@original" && interaction.messageId !== null) return call.state.message(interaction.messageId);
  throw refusals.unknownMessage();
}

function fill(call: Call, interaction: Interaction, message: Message): Message {
  change(call, message);
  message.flags &= ~messageFlags.loading;
  settle(call, interaction, message);
  return message;
}

function settle({ state }: Call, interaction: Interaction, message: Message): void {
  if (message.id !== interaction.originalId) return;
  interaction.reply = message.content;
  interaction.repliedAfterMs ??= state.now() - interaction.createdAt;
}

function send(call: Call, interaction: Interaction, form: MessageForm, flags: number): Message {
  const message = post(call.state, call.gateway.deliver, {
    channel: call.state.channel(interaction.channelId),
    authorId: interaction.botId,
    webhookId: interaction.botId,
    applicationId: interaction.botId,
    interactionId: interaction.id,
    type: interaction.type === 2 ? 20 : 0,
    content: form.content ?? "",
    allowedMentions: form.allowedMentions,
    embeds: form.embeds ?? [],
    components: form.components ?? [],
    attachments: call.files,
    flags: form.flags | flags,
    ephemeral: (form.flags & messageFlags.ephemeral) !== 0,
  });
  interaction.messages.push(message);
  if (flags === 0) watchDoubles(call, message);
  return message;
}

/** Changes the message whose button was pressed, as callback 7 does. */
export function updatePressed(call: Call, interaction: Interaction, form: MessageForm): void {
  if (interaction.messageId === null) return;
  revise(call.state, call.gateway.deliver, call.state.message(interaction.messageId), {
    ...(form.content === null ? {} : { content: form.content }),
    ...(form.embeds === null ? {} : { embeds: form.embeds }),
    ...(form.components === null ? {} : { components: form.components }),
    allowedMentions: form.allowedMentions,
  });
}
