import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../src/connections/migrate.ts";
import { openPglite } from "../src/connections/pglite.ts";
import type { Database } from "../src/connections/postgres.ts";
import { recall } from "../src/memory/recall.ts";
import { remember, type NewMemory } from "../src/memory/remember.ts";
import { machine, spread } from "./machine.ts";

interface Utterance {
  readonly speaker: string;
  readonly dia_id: string;
  readonly text: string;
  readonly blip_caption?: string;
}

interface Question {
  readonly question: string;
  readonly evidence?: readonly string[];
  readonly category: number;
}

type Conversation = Readonly<Record<string, unknown>> & { readonly qa: readonly Question[] };

/** Per question: the share of its evidence among the first 5, 10 and 20 recalled. */
interface Score {
  readonly category: number;
  readonly at: readonly [number, number, number];
  readonly ms: number;
}

const cuts = [5, 10, 20] as const;
const categories = { 1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial" } as const;

/**
 * Evidence recall on LoCoMo (Maharana et al. 2024), without any model: every utterance is stored as the product stores messages, every question
 * asked as it is, through the product's own recall on its own tables.
 */
export async function benchLocomo(folder: string): Promise<object> {
  const path = mkdtempSync(join(tmpdir(), "discord-agent-bench-"));
  const database = await openPglite(path);
  await migrate(database);
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const scores: Score[] = [];
  for (const [index, name] of files.entries()) {
    const conversation = JSON.parse(readFileSync(join(folder, name), "utf8")) as Conversation;
    scores.push(...(await scoreConversation(database, String(index + 1), conversation)));
  }
  await database.close();
  rmSync(path, { recursive: true });
  const answerable = scores.filter((score) => score.category <= 4);
  return {
    bench: "locomo",
    conversations: files.length,
    questions: answerable.length,
    evidenceRecall: meanOf(answerable),
    byCategory: Object.fromEntries(
      Object.entries(categories).map(([number, name]) => {
        const own = scores.filter((score) => score.category === Number(number));
        return [name, { questions: own.length, ...meanOf(own) }];
      }),
    ),
    goal: { "@10": 70 },
    reached: meanOf(answerable)["@10"] >= 70,
    recallMs: spread(scores.map((score) => score.ms)),
    machine: machine(),
  };
}

async function scoreConversation(database: Database, scope: string, conversation: Conversation): Promise<Score[]> {
  const utterances = sessionsOf(conversation);
  const idOf = new Map<string, string>();
  for (const [index, { said, at }] of utterances.entries()) {
    const messageId = `${Number(scope) * 1_000_000 + index + 1}`;
    idOf.set(said.dia_id, messageId);
    await remember(database, [memoryOf(said, at, scope, messageId)]);
  }
  const scores: Score[] = [];
  for (const question of conversation.qa) {
    const evidence = (question.evidence ?? [])
      .flatMap((ids) => ids.split(/[;,\s]+/))
      .flatMap((id) => idOf.get(id) ?? []);
    if (evidence.length > 0) scores.push(await scoreQuestion(database, scope, question, evidence));
  }
  return scores;
}

async function scoreQuestion(
  database: Database,
  scope: string,
  question: Question,
  evidence: readonly string[],
): Promise<Score> {
  const started = performance.now();
  const found = await recall(database, {
    words: question.question,
    locale: "en",
    scope,
    channelId: scope,
    alsoReadable: "public",
    vectors: [],
    limit: Math.max(...cuts),
    now: new Date(),
  });
  const ms = performance.now() - started;
  const [five, ten, twenty] = cuts.map((cut) => {
    const first = new Set(found.slice(0, cut).map((memory) => memory.sourceMessageId));
    return evidence.filter((id) => first.has(id)).length / evidence.length;
  }) as [number, number, number];
  return { category: question.category, at: [five, ten, twenty], ms };
}

function sessionsOf(conversation: Conversation): { said: Utterance; at: Date }[] {
  const utterances: { said: Utterance; at: Date }[] = [];
  for (let n = 1; Array.isArray(conversation[`session_${n}`]); n += 1) {
    const start = readDate(String(conversation[`session_${n}_date_time`]));
    const session = conversation[`session_${n}`] as readonly Utterance[];
    for (const [index, said] of session.entries()) utterances.push({ said, at: new Date(start + index * 30_000) });
  }
  return utterances;
}

/** "1:56 pm on 8 May, 2023" in milliseconds since the epoch. */
function readDate(text: string): number {
  return Date.parse(text.replace(/(\d+:\d+ [ap]m) on (\d+) (\w+), (\d+)/i, "$2 $3 $4 $1 UTC"));
}

function memoryOf(said: Utterance, at: Date, scope: string, messageId: string): NewMemory {
  const caption = said.blip_caption ? ` [${said.blip_caption}]` : "";
  return {
    guildId: scope,
    channelId: scope,
    channelName: "locomo",
    conversationId: scope,
    audience: "public",
    authorId: "1",
    authorName: said.speaker,
    agent: null,
    sourceMessageId: messageId,
    kind: "message",
    text: `${said.speaker}: ${said.text}${caption}`,
    createdAt: at,
    importance: 0.5,
    locale: "en",
  };
}

function meanOf(scores: readonly Score[]): Record<"@5" | "@10" | "@20", number> {
  const mean = (index: 0 | 1 | 2) =>
    Math.round((1000 * scores.reduce((sum, score) => sum + score.at[index], 0)) / Math.max(1, scores.length)) / 10;
  return { "@5": mean(0), "@10": mean(1), "@20": mean(2) };
}
