import type { Fields } from "../world/message.ts";
import { messagePayload } from "../world/payloads.ts";
import { invalidForm, refusals } from "./api-error.ts";
import type { Call, Reply, Route } from "./call.ts";
import { refuse, respond, updatePressed } from "./interaction-answers.ts";
import { checkNotEmpty, readMessageForm } from "./message-form.ts";

/** The first response to an interaction, within three seconds and only once. */
export const interactionRoutes: readonly Route[] = [
  { method: "POST", path: "/interactions/:interaction/:token/callback", open: true, answer: callBack },
];

const callback = { message: 4, deferred: 5, deferredUpdate: 6, update: 7, autocomplete: 8, modal: 9 } as const;

function callBack(call: Call): Reply | undefined {
  const { state, at, body, limits } = call;
  const interaction = state.interactions.get(at["interaction"] ?? "");
  if (interaction === undefined || interaction.token !== at["token"]) throw refusals.unknownInteraction();
  if (interaction.respondedAfterMs !== null) throw refuse(call, interaction, refusals.acknowledged());
  const afterMs = state.now() - interaction.createdAt;
  if (afterMs > limits.interactionAckMs) throw refuse(call, interaction, refusals.unknownInteraction());

  const kind = Object.values(callback).find((one) => one === body["type"]);
  if (kind === undefined) throw invalidForm("type", "BASE_TYPE_CHOICES", "Not a type of callback.");
  const onComponent: readonly number[] = [callback.deferredUpdate, callback.update];
  if (onComponent.includes(kind) && interaction.type !== 3 && interaction.type !== 5)
    throw invalidForm("type", "INTERACTION_TYPE_INVALID", "Only components and modals can be updated.");
  if ((kind === callback.autocomplete) !== (interaction.type === 4))
    throw invalidForm("type", "INTERACTION_TYPE_INVALID", "Choices answer autocompletion, and nothing else does.");
  const data = (body["data"] ?? {}) as Fields;
  const form = readMessageForm(kind === callback.modal || kind === callback.autocomplete ? {} : data);
  if (kind === callback.message) checkNotEmpty(form, { body: data, files: call.files });

  interaction.respondedAfterMs = afterMs;
  interaction.callbackType = kind;
  interaction.callbackData = data;
  if (kind === callback.update) updatePressed(call, interaction, form);
  const speaks = kind === callback.message || kind === callback.deferred;
  const message = speaks ? respond(call, interaction, form, kind === callback.deferred) : null;
  if (call.query.get("with_response") !== "true") return undefined;
  return {
    body: {
      interaction: { id: interaction.id, type: interaction.type, response_message_id: message?.id ?? null },
      ...(message === null ? {} : { resource: { type: kind, message: messagePayload(state, message) } }),
    },
  };
}
