import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../src/connections/migrate.ts";
import { openPglite } from "../src/connections/pglite.ts";
import type { Database } from "../src/connections/postgres.ts";
import { recall } from "../src/memory/recall.ts";
import { remember, type NewMemory } from "../src/memory/remember.ts";
import { spread } from "./machine.ts";

const dimensions = 768;
const words =
  "river stone garden cat mountain deploy server coffee music train winter paper light bridge market dinner summer code".split(
    " ",
  );

/** Recall on the embedded database as one guild's memory grows: by full text alone, and with vectors of every memory. */
export async function benchRecall(sizes: readonly number[]) {
  const path = mkdtempSync(join(tmpdir(), "discord-agent-bench-"));
  const database = await openPglite(path);
  await migrate(database);
  const random = randomFrom(7);
  const results: { memories: number; fullText: ReturnType<typeof spread>; withVectors: ReturnType<typeof spread> }[] =
    [];
  let stored = 0;
  for (const memories of sizes) {
    while (stored < memories) {
      const batch = Array.from({ length: Math.min(100, memories - stored) }, (_, i) =>
        memoryOf(stored + i + 1, sentence(random)),
      );
      await remember(database, batch);
      await addVectors(database, stored + 1, batch.length, random);
      stored += batch.length;
    }
    await database.query("analyze");
    const fullText = await measure(database, random, false);
    const withVectors = await measure(database, random, true);
    results.push({ memories, fullText, withVectors });
  }
  await database.close();
  rmSync(path, { recursive: true });
  return results;
}

async function measure(database: Database, random: () => number, withVector: boolean) {
  const samples: number[] = [];
  for (let i = 0; i < 220; i += 1) {
    const values = Array.from({ length: dimensions }, () => random() - 0.5);
    const started = performance.now();
    await recall(database, {
      words: sentence(random),
      locale: "en",
      scope: "1",
      channelId: "1",
      within: "scope",
      vector: withVector ? { space: "bench", values, weight: 1, threshold: -1 } : null,
      limit: 10,
      now: new Date(),
    });
    // The first few pay for plans and for pages that are not in memory yet.
    if (i >= 20) samples.push(performance.now() - started);
  }
  return spread(samples);
}

async function addVectors(database: Database, from: number, count: number, random: () => number): Promise<void> {
  const vectors = Array.from(
    { length: count },
    () => `[${Array.from({ length: dimensions }, () => (random() - 0.5).toFixed(4)).join(",")}]`,
  );
  await database.query(
    `insert into memory_vectors (memory_id, scope, space, embedding)
     select m.id, m.scope, 'bench', v.embedding::halfvec
     from unnest($1::bigint[], $2::text[]) as v (source, embedding) join memories m on m.source_message_id = v.source`,
    [vectors.map((_, i) => from + i), vectors],
  );
}

function sentence(random: () => number): string {
  const length = 6 + Math.floor(random() * 12);
  return Array.from(
    { length },
    () => `${words[Math.floor(random() * words.length)]}${Math.floor(random() ** 3 * 400)}`,
  ).join(" ");
}

function memoryOf(n: number, text: string): NewMemory {
  return {
    guildId: "1",
    channelId: "1",
    channelName: "bench",
    conversationId: "1",
    audience: "public",
    authorId: "1",
    authorName: "Mia",
    agent: null,
    sourceMessageId: String(n),
    kind: "message",
    text,
    createdAt: new Date(1_700_000_000_000 + n * 60_000),
    importance: 0.5,
    locale: "en",
  };
}

/** Numbers between 0 and 1 that are the same in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
