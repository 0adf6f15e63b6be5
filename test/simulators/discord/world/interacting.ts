import { randomBytes } from "node:crypto";
import type { Deliver } from "./events.ts";
import { dataOf, type Gesture } from "./gesture.ts";
import type { Interaction } from "./interaction.ts";
import type { Fields } from "./message.ts";
import { channelPayload, memberPayload, messagePayload, userPayload } from "./payloads.ts";
import { channelPermissions, may } from "./permissions.ts";
import type { Bot, Channel } from "./records.ts";
import { idOf, type State } from "./state.ts";

/** Sends what the user did to the bot; its answers appear in the record that is returned. */
export function interact(state: State, deliver: Deliver, gesture: Gesture, bot: Bot): Interaction {
  const channel = state.channel(gesture.channel);
  const user = state.user(gesture.user);
  const guild = channel.guildId === null ? null : state.guild(channel.guildId);
  if (!may(state, channel, user.id, "viewChannel")) throw new Error(`${user.name} cannot see the channel`);
  if (guild !== null && !may(state, channel, user.id, "useApplicationCommands"))
    throw new Error(`${user.name} may not use commands there`);
  const { type, data } = dataOf(state, gesture, bot, guild);
  const interaction: Interaction = {
    id: state.snowflakes.next(),
    token: randomBytes(32).toString("base64url"),
    type,
    data,
    botId: bot.id,
    userId: user.id,
    channelId: channel.id,
    guildId: channel.guildId,
    createdAt: state.now(),
    messageId: gesture.message === undefined ? null : idOf(gesture.message),
    respondedAfterMs: null,
    callbackType: null,
    callbackData: null,
    deferred: false,
    ephemeral: false,
    originalId: null,
    reply: null,
    repliedAfterMs: null,
    messages: [],
    refused: [],
  };
  state.interactions.set(interaction.id, interaction);
  const payload = interactionPayload(state, interaction, channel);
  deliver({
    name: "INTERACTION_CREATE",
    guildId: channel.guildId,
    intent: 0,
    concerns: (one) => one.id === bot.id,
    data: () => payload,
  });
  return interaction;
}

function interactionPayload(state: State, interaction: Interaction, channel: Channel): object {
  const user = state.user(interaction.userId);
  const guild = channel.guildId === null ? null : state.guild(channel.guildId);
  const member = guild?.members.get(user.id);
  const permissions = (id: string) => String(channelPermissions(state, channel, id));
  const who: Fields =
    guild === null || member === undefined
      ? { user: userPayload(user), context: 1 }
      : {
          member: { ...memberPayload(member), user: userPayload(user), permissions: permissions(user.id) },
          guild_id: guild.id,
          guild: { id: guild.id, locale: guild.preferredLocale, features: [] },
          guild_locale: guild.preferredLocale,
          context: 0,
        };
  return {
    id: interaction.id,
    application_id: interaction.botId,
    type: interaction.type,
    token: interaction.token,
    version: 1,
    data: interaction.data,
    channel_id: channel.id,
    channel: { ...channelPayload(state, channel), permissions: permissions(user.id) },
    app_permissions: permissions(interaction.botId),
    locale: user.locale,
    entitlements: [],
    authorizing_integration_owners: guild === null ? { 0: "0" } : { 0: guild.id },
    attachment_size_limit: 10_485_760,
    ...(interaction.messageId === null ? {} : { message: messagePayload(state, state.message(interaction.messageId)) }),
    ...who,
  };
}
