import { userPayload } from "../world/payloads.ts";
import { setReaction } from "../world/posting.ts";
import { channelAt, messageAt, need } from "./access.ts";
import { refusals } from "./api-error.ts";
import type { Call, Route } from "./call.ts";

const one = "/channels/:channel/messages/:message/reactions/:emoji";

/** Reactions of bots, and who reacted. */
export const reactionRoutes: readonly Route[] = [
  {
    method: "PUT",
    path: `${one}/@me`,
    answer: (call) => {
      const channel = channelAt(call);
      need(call, channel, "readMessageHistory");
      const message = messageAt(call, channel);
      const emoji = emojiOf(call);
      if (message.reactions[emoji] === undefined) need(call, channel, "addReactions");
      setReaction(call.state, call.gateway.deliver, { message, userId: call.bot.id, emoji }, true);
      return undefined;
    },
  },
  { method: "DELETE", path: `${one}/@me`, answer: (call) => remove(call, call.bot.id) },
  {
    method: "DELETE",
    path: `${one}/:user`,
    answer: (call) => {
      need(call, channelAt(call), "manageMessages");
      return remove(call, call.at["user"] ?? "");
    },
  },
  {
    method: "GET",
    path: one,
    answer: (call) => ({
      body: (messageAt(call, channelAt(call)).reactions[emojiOf(call)] ?? []).map((id) =>
        userPayload(call.state.user(id)),
      ),
    }),
  },
];

function remove(call: Call, userId: string): undefined {
  const message = messageAt(call, channelAt(call));
  setReaction(call.state, call.gateway.deliver, { message, userId, emoji: emojiOf(call) }, false);
}

function emojiOf(call: Call): string {
  const emoji = call.at["emoji"] ?? "";
  if (!/^\w+:\d+$/u.test(emoji) && !/\p{Emoji}/u.test(emoji)) throw refusals.unknownEmoji();
  return emoji;
}
