import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../src/connections/migrate.ts";
import { openPglite } from "../src/connections/pglite.ts";
import type { Database, Sql } from "../src/connections/postgres.ts";
import { recall } from "../src/memory/recall.ts";
import { remember, type NewMemory } from "../src/memory/remember.ts";
import { randomFrom } from "../test/random.ts";
import { spread } from "./machine.ts";
import { sentence, vectorOf } from "./synthetic.ts";

/** Recall on the embedded database as one guild's memory grows: by full text alone, and with vectors of every memory. */
export async function benchRecall(sizes: readonly number[]) {
  const path = mkdtempSync(join(tmpdir(), "discord-agent-bench-"));
  const database = await openPglite(path);
  await migrate(database);
  const random = randomFrom(7);
  const results: {
    memories: number;
    fullText: ReturnType<typeof spread>;
    withVectors: ReturnType<typeof spread>;
    shareOfExactAt10: number;
  }[] = [];
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
    results.push({ memories, fullText, withVectors, shareOfExactAt10: await shareOfExact(database, random) });
  }
  await database.close();
  rmSync(path, { recursive: true });
  return results;
}

async function measure(database: Database, random: () => number, withVector: boolean) {
  const samples: number[] = [];
  for (let i = 0; i < 220; i += 1) {
    const values = vectorOf(random);
    const started = performance.now();
    const vectors = withVector ? [{ space: "bench", values, weight: 1, threshold: -1 }] : [];
    await recall(database, { ...question, words: sentence(random), vectors });
    // The first few pay for plans and for pages that are not in memory yet.
    if (i >= 20) samples.push(performance.now() - started);
  }
  return spread(samples);
}

/** Gives the memories of these messages random vectors. */
export async function addVectors(database: Sql, from: number, count: number, random: () => number): Promise<void> {
  const vectors = Array.from({ length: count }, () => `[${vectorOf(random).join(",")}]`);
  await database.query(
    `insert into memory_vectors (memory_id, scope, space, embedding)
     select m.id, m.scope, 'bench', v.embedding::halfvec
     from unnest($1::bigint[], $2::text[]) as v (source, embedding) join memories m on m.source_message_id = v.source`,
    [vectors.map((_, i) => from + i), vectors],
  );
}

/** The share of the ten truly nearest vectors that recall puts first. */
async function shareOfExact(database: Database, random: () => number): Promise<number> {
  let shared = 0;
  const questions = 50;
  for (let i = 0; i < questions; i += 1) {
    const values = vectorOf(random);
    const vectors = [{ space: "bench", values, weight: 1, threshold: -1 }];
    const found = await recall(database, { ...question, words: "", vectors });
    const exact = await database.query<{ id: string }>(
      "select memory_id as id from memory_vectors where scope = 1 order by embedding <#> $1::halfvec limit 10",
      [`[${values.join(",")}]`],
    );
    const nearest = new Set(exact.map(({ id }) => id));
    shared += found.filter(({ id }) => nearest.has(id)).length / nearest.size;
  }
  return shared / questions;
}

const question = {
  locale: "en",
  scope: "1",
  channelId: "1",
  alsoReadable: "public",
  limit: 10,
  now: new Date(),
} as const;

/** A memory of a guild; `n` is its message. */
export function memoryOf(n: number, text: string, guildId = "1"): NewMemory {
  return {
    guildId,
    channelId: guildId,
    channelName: "bench",
    conversationId: guildId,
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
