import type { Envelope } from "../../src/envelope.ts";
import type { Recollection } from "../../src/memory/recall.ts";
import type { RecentLine } from "../../src/memory/recent-turns.ts";
import type { Snapshot } from "../../src/settings/settings.ts";
import type { Thought } from "../../src/think/graph.ts";
import { agentNamed } from "../settings/agents.ts";

const envelope: Envelope = {
  messageId: "1400000000000000001",
  guildId: "7",
  guildName: "terminal",
  channelId: "10",
  channelName: "garden",
  audience: "public",
  conversationId: "10",
  author: { id: "5", name: "Mia", kind: "person" },
  text: "What is my cat called?",
  receivedAt: new Date("2026-11-22T14:05:00Z"),
  addressed: true,
  addressedAgent: null,
  locale: null,
};

export function recollection(text: string, over: Partial<Recollection> = {}): Recollection {
  return {
    id: "1",
    text,
    author: "Mia",
    agent: null,
    channelId: "10",
    channelName: "garden",
    sourceMessageId: "99",
    createdAt: new Date("2026-10-01T09:00:00Z"),
    score: 1,
    ...over,
  };
}

export function line(text: string, over: Partial<RecentLine> = {}): RecentLine {
  return {
    messageId: "100",
    author: "Mia",
    authorId: "5",
    agent: null,
    text,
    at: new Date("2026-11-22T14:00:00Z"),
    ...over,
  };
}

/** What thinking starts from, with two agents of whom the supervisor may choose either. */
export function thoughtOf(over: Partial<Thought> = {}): Thought {
  const agents = [agentNamed("ada", { handoffs: ["bob"] }), agentNamed("bob")] as const;
  const snapshot: Snapshot = { revision: "rev1", agents, defaultAgent: agents[0] };
  return {
    envelope,
    priority: "mention",
    snapshot,
    routed: { agent: null, candidates: agents, reason: "nobody was named", weights: {} },
    recalled: { recent: [], recollections: [], notes: [] },
    attached: [],
    show: () => {},
    ...over,
  };
}
