import type { Database } from "../src/connections/postgres.ts";
import { recall } from "../src/memory/recall.ts";
import { remember } from "../src/memory/remember.ts";
import { randomFrom } from "../test/random.ts";
import { createDatabase } from "../test/servers/postgres.ts";
import { machine, percentile, ratio, spread } from "./machine.ts";
import { openMem0, openPostgresStore, type Embedder, type PeerMemory } from "./peers/memories.ts";
import { inFreshDatabase, startHonestPostgres, withDatabase } from "./place.ts";
import { addVectors, memoryOf } from "./recall.ts";
import { dimensions, sentence, vectorOf } from "./synthetic.ts";

/** Guilds of these sizes, with the rest of the memories in small ones. */
const sizes = [50_000, 15_000, 10_000, 5_000, 1_000] as const;
const inAll = 100_000;
const small = 1_000;
const questions = 200;
const batch = 200;
/** Of the one guild that peers hold too. */
const compared = 10_000;

/**
 * P4: hybrid recall inside a guild, of 100,000 memories with vectors on a Postgres server, and the share of the truly nearest ten; beside it, where they are
 * installed, the search of LangGraph's PostgresStore and of mem0 over 10,000 memories.
 */
export async function benchServerRecall(): Promise<object> {
  const server = await startHonestPostgres();
  try {
    const guilds = await inFreshDatabase(server.url, (database) => withDatabase(database, measureGuilds));
    const peers = {
      postgresStore: await measurePeer(server.url, openPostgresStore),
      mem0: await measurePeer(server.url, openMem0),
    };
    const slowest = Math.max(...guilds.map(({ recallMs }) => recallMs.p99));
    const ours = guilds.find(({ memories }) => memories === compared)?.recallMs.p50 ?? Number.NaN;
    const times = (peer: { p50: number } | string) => (typeof peer === "string" ? null : ratio(peer.p50, ours));
    const timesFaster = { postgresStore: times(peers.postgresStore), mem0: times(peers.mem0) };
    const leastShare = Math.min(...guilds.map(({ shareOfExactAt10 }) => shareOfExactAt10));
    return {
      bench: "p4",
      figures: { guilds, peersMs: peers, timesFaster },
      goals: { p99Ms: 60, shareOfExactAt10: 0.98, timesFasterThanMem0: 8 },
      ratioToGoal: {
        p99Ms: ratio(slowest, 60),
        shareOfExactAt10: ratio(0.98, leastShare),
        ...(timesFaster.mem0 === null ? {} : { timesFasterThanMem0: ratio(8, timesFaster.mem0) }),
      },
      machine: machine(),
    };
  } finally {
    await server.close();
  }
}

async function measureGuilds(database: Database) {
  const random = randomFrom(11);
  const rest = inAll - sizes.reduce<number>((sum, size) => sum + size, 0);
  const all = [...sizes, ...Array.from({ length: rest / small }, () => small)];
  let stored = 0;
  for (const [index, size] of all.entries()) {
    for (let left = size; left > 0; left -= batch) {
      const memories = Array.from({ length: Math.min(batch, left) }, (_, i) =>
        memoryOf(stored + i + 1, sentence(random), String(index + 1)),
      );
      await remember(database, memories);
      await addVectors(database, stored + 1, memories.length, random);
      stored += memories.length;
    }
  }
  await database.query("vacuum analyze");
  const results = [];
  for (const [index, memories] of sizes.entries()) {
    const scope = String(index + 1);
    const samples: number[] = [];
    let shared = 0;
    for (let i = 0; i < questions; i += 1) {
      const values = vectorOf(random);
      const vectors = [{ space: "bench", values, weight: 1, threshold: -1 }];
      const query = {
        scope,
        channelId: scope,
        alsoReadable: "public",
        locale: "en",
        limit: 10,
        now: new Date(),
      } as const;
      const began = performance.now();
      await recall(database, { ...query, words: sentence(random), vectors });
      samples.push(performance.now() - began);
      if (i < 50) shared += await shareOfExact(database, query, values);
    }
    results.push({ memories, recallMs: spread(samples.slice(20)), shareOfExactAt10: shared / 50 });
  }
  return results;
}

/** The share of the ten truly nearest vectors of the guild that recall by vectors alone returns. */
async function shareOfExact(
  database: Database,
  query: Omit<Parameters<typeof recall>[1], "words" | "vectors">,
  values: readonly number[],
): Promise<number> {
  const vectors = [{ space: "bench", values, weight: 1, threshold: -1 }];
  const found = await recall(database, { ...query, words: "", vectors });
  const exact = await database.query<{ id: string }>(
    "select memory_id as id from memory_vectors where scope = $1 order by embedding <#> $2::halfvec limit 10",
    [query.scope, `[${values.join(",")}]`],
  );
  const nearest = new Set(exact.map(({ id }) => id));
  return found.filter(({ id }) => nearest.has(id)).length / nearest.size;
}

async function measurePeer(
  url: string,
  open: (options: { url: string; embedder: Embedder }) => Promise<PeerMemory | null>,
): Promise<{ p50: number; p99: number } | string> {
  const database = await createDatabase(url, `bench_peer_${Date.now()}`);
  const random = randomFrom(13);
  // Whatever a text says, its vector is another one: what is measured is the search.
  const embedder = { dimensions, embed: () => vectorOf(random) };
  try {
    await withDatabase(database, (sql) => sql.query("create extension if not exists vector"));
    const peer = await open({ url: database.url, embedder });
    if (peer === null) return "not installed";
    for (let n = 0; n < compared; n += 1) await peer.add(sentence(random));
    await withDatabase(database, (sql) => sql.query("vacuum analyze"));
    const samples: number[] = [];
    for (let i = 0; i < questions; i += 1) {
      const text = sentence(random);
      const began = performance.now();
      await peer.search(text);
      samples.push(performance.now() - began);
    }
    await peer.close();
    return { p50: percentile(samples.slice(20), 0.5), p99: percentile(samples.slice(20), 0.99) };
  } finally {
    await database.drop().catch(() => {});
  }
}
