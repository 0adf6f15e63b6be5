import { setTimeout as sleep } from "node:timers/promises";
import type { RecalledMemory, Receipt, Reply } from "../../src/chat/chat.ts";
import type { Desk } from "../../src/chat/desk.ts";
import type { Backing, Terminal } from "../../src/terminal/terminal.ts";
import type { Envelope } from "../../src/envelope.ts";

const ada = { name: "ada", displayName: "Ada" };

/** The rest of a program in memory: what was heard and forgotten is there to look at, `onHeard` does the answering. */
export function makeFakeBacking(onHeard: (envelope: Envelope) => void = () => undefined) {
  const heard: Envelope[] = [];
  const forgotten: string[] = [];
  const memories: RecalledMemory[] = [
    memoryOf("101", "Miso is a cat"),
    memoryOf("102", "Miso likes tuna \u001B[31mred"),
  ];
  const desk: Desk = {
    agents: () => [
      { ...ada, description: "plans, and brings the others in", isDefault: true },
      { name: "bo", displayName: "Bo", description: "knows machines", isDefault: false },
      { name: "cy", displayName: "Cy", description: "invents", isDefault: false },
    ],
    memories: async (_place, words) => memories.filter((each) => words === null || each.text.includes(words)),
    matching: async (_place, target) =>
      target.kind === "id"
        ? memories.filter((each) => each.id === target.id)
        : memories.slice(target.kind === "last" ? 1 : 0),
    async forget(_place, ids) {
      forgotten.push(...ids);
      return ids.length;
    },
    lastReceipt: async () => (heard[0] === undefined ? null : receiptOf(heard[0])),
    ownMemories: async () => memories,
    receipt: async () => (heard[0] === undefined ? null : { receipt: receiptOf(heard[0]), hidden: 0 }),
    health: async () => ({ waiting: 0, model: "ready" }),
    status: async () => ({ status: "healthy", inbox: { waiting: 0, buried: [] } }),
  };
  const backing: Backing = {
    async hear(envelope) {
      heard.push(envelope);
      onHeard(envelope);
      return true;
    },
    desk,
    drained: async () => undefined,
    facts: {
      agents: ["Ada", "Bo", "Cy"],
      model: "offline model; set GEMINI_API_KEY for Gemini",
      dataDir: "/srv/data",
      version: "0.1.0",
      httpUrl: "http://127.0.0.1:8000/health",
    },
  };
  return { backing, heard, forgotten };
}

function memoryOf(id: string, text: string): RecalledMemory {
  return { id, text, author: "Mia", createdAt: new Date("2026-10-01T12:03:00Z"), score: 0.824, source: "#general · 1" };
}

function receiptOf(envelope: Envelope): Receipt {
  return {
    messageId: envelope.messageId,
    agent: "ada",
    agentDisplayName: "Ada",
    chosenBy: "routing",
    reason: "named in the message",
    memories: [memoryOf("101", "Miso is a cat")],
    model: "offline",
    promptRevision: "3f2a9c",
    settingsRevision: "77",
    tokens: { inputTokens: 812, outputTokens: 40, cachedTokens: 512 },
    stageMs: { queued: 2.2, route: 0.4, model: 210 },
    notes: [],
  };
}

export function replyTo(envelope: Envelope, text: string, over: Partial<Reply> = {}): Reply {
  return { envelope, agent: ada, text, redelivered: false, receipt: receiptOf(envelope), ...over };
}

/** Streams the text in small pieces and then speaks it, as a model and the pipeline would. */
export async function streamTo(
  terminal: Terminal,
  envelope: Envelope,
  text: string,
  over: Partial<Reply> & { paceMs?: number } = {},
) {
  const { paceMs = 0, ...reply } = over;
  for (const delta of text.match(/.{1,7}/gsu) ?? []) {
    terminal.show(envelope, { kind: "text", agent: reply.agent?.name ?? "ada", delta });
    await sleep(paceMs);
  }
  await terminal.speak(replyTo(envelope, text, reply), new AbortController().signal);
}
