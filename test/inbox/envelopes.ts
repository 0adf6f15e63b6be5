import type { Envelope } from "../../src/envelope.ts";

/** The message with this id, in the channel of that number. */
export function envelope(id: number, conversation = 1): Envelope {
  return {
    messageId: String(id),
    guildId: "7",
    guildName: "terminal",
    channelId: String(conversation),
    channelName: `channel-${conversation}`,
    audience: "public",
    conversationId: String(conversation),
    author: { id: "9", name: "Mia", kind: "person" },
    text: `message ${id}`,
    receivedAt: new Date(1_700_000_000_000 + id),
    addressed: true,
    addressedAgent: null,
    locale: null,
  };
}
