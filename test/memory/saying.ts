import type { NewMemory } from "../../src/memory/remember.ts";

let next = 1;

/** A message as it would be remembered; what a test does not care about has a default. */
export function saying(text: string, over: Partial<NewMemory> = {}): NewMemory {
  next += 1;
  return {
    guildId: "1",
    channelId: "10",
    channelName: "general",
    conversationId: over.channelId ?? "10",
    audience: "public",
    authorId: "5",
    authorName: "Mia",
    agent: null,
    sourceMessageId: String(next),
    kind: "message",
    text,
    createdAt: new Date(1_760_000_000_000 + next * 60_000),
    importance: 0.5,
    locale: null,
    ...over,
  };
}
