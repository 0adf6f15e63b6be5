import type { Database } from "../src/connections/postgres.ts";
import { recall } from "../src/memory/recall.ts";
import { remember } from "../src/memory/remember.ts";
import { randomFrom } from "../test/random.ts";
import { createDatabase } from "../test/servers/postgres.ts";
import { machine, median, ratio, spread } from "./machine.ts";
import { openMem0, openPostgresStore, type Embedder, type PeerMemory } from "./peers/memories.ts";
import { inFreshDatabase, startHonestPostgres, withDatabase } from "./place.ts";
import { addVectors, memoryOf } from "./recall.ts";
import { dimensions, sentence, vectorOf } from "./synthetic.ts";

/** Guilds of these sizes, with the rest of the memories in small ones. */
const sizes = [50_000, 15_000, 10_000, 5_000, 1_000] as const;
const inAll = 100_000;
const small = 1_000;
/** In each guild, and of each peer, in all rounds together. */
const questions = 200;
/** Before the clock runs: for plans, and for pages that are not in memory yet. */
const warmUp = 20;
const batch = 200;
/** The packages of the peers. */
const peerNames = [
  ["postgresStore", "@langchain/langgraph-checkpoint-postgres"],
  ["mem0", "mem0ai"],
] as const;
/** Of the one guild that peers hold too. */
const compared = 10_000;

/**
 * P4: hybrid recall inside a guild, of 100,000 memories with vectors on a Postgres server, and the share of the truly nearest ten; beside it, where they are
 * installed, the search of LangGraph's PostgresStore and of mem0 over 10,000 memories, in turns.
 */
export async function benchServerRecall(rounds: number): Promise<object> {
  const server = await startHonestPostgres();
  try {
    return await inFreshDatabase(server.url, (place) =>
      withDatabase(place, async (database) => {
        await fill(database);
        const peers = {
          postgresStore: await fillPeer(server.url, openPostgresStore),
          mem0: await fillPeer(server.url, openMem0),
        };
        const report = await measure(database, peers, rounds);
        for (const peer of Object.values(peers)) await peer?.close();
        return report;
      }),
    );
  } finally {
    await server.close();
  }
}

async function measure(
  database: Database,
  peers: Readonly<Record<"postgresStore" | "mem0", PeerMemory | null>>,
  rounds: number,
): Promise<object> {
  const random = randomFrom(17);
  const places = {
    ...Object.fromEntries(sizes.map((memories) => [memories, () => ask(database, memories, random)])),
    ...Object.fromEntries(
      Object.entries(peers).flatMap(([name, peer]) =>
        peer === null ? [] : [[name, () => peer.search(sentence(random))]],
      ),
    ),
  };
  for (const search of Object.values(places)) await timed(search, warmUp);
  const each: Record<string, number[][]> = {};
  for (let round = 0; round < rounds; round += 1)
    for (const [name, search] of Object.entries(places))
      (each[name] ??= []).push(await timed(search, Math.ceil(questions / rounds)));
  const recallMs = (name: string | number) => spread((each[name] ?? []).flat());
  const timesFaster = (name: string) => {
    const ratios = each[name]?.map((samples, round) => ratio(median(samples), median(each[compared]?.[round] ?? [])));
    return ratios === undefined ? null : median(ratios);
  };
  const guilds = [];
  for (const memories of sizes)
    guilds.push({
      memories,
      recallMs: recallMs(memories),
      shareOfExactAt10: await shareOfExact(database, memories, random),
    });
  const peersMs = Object.fromEntries(
    Object.entries(peers).map(([name, peer]) => [name, peer === null ? "not installed" : recallMs(name)]),
  );
  const times = { postgresStore: timesFaster("postgresStore"), mem0: timesFaster("mem0") };
  return {
    bench: "p4",
    rounds,
    figures: { guilds, peersMs, timesFaster: times },
    goals: { p99Ms: 60, shareOfExactAt10: 0.98, timesFasterThanMem0: 8 },
    ratioToGoal: {
      p99Ms: ratio(Math.max(...guilds.map((guild) => guild.recallMs.p99)), 60),
      shareOfExactAt10: ratio(0.98, Math.min(...guilds.map((guild) => guild.shareOfExactAt10))),
      ...(times.mem0 === null ? {} : { timesFasterThanMem0: ratio(8, times.mem0) }),
    },
    machine: machine(peerNames.flatMap(([name, peer]) => (peers[name] === null ? [] : [peer]))),
  };
}

/** How many milliseconds each of so many calls took. */
async function timed(search: () => Promise<unknown>, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await search();
    samples.push(performance.now() - began);
  }
  return samples;
}

async function fill(database: Database): Promise<void> {
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
}

/** The guild that has so many memories. */
const scopeOf = (memories: (typeof sizes)[number]) => String(sizes.indexOf(memories) + 1);

/** Recalls as an answer does, with words and a vector; without `words` by the vector alone. */
function ask(
  database: Database,
  memories: (typeof sizes)[number],
  random: () => number,
  { words = sentence(random), values = vectorOf(random) } = {},
) {
  const scope = scopeOf(memories);
  const vectors = [{ space: "bench", values, weight: 1, threshold: -1 }];
  const query = { scope, channelId: scope, alsoReadable: "public", locale: "en", limit: 10, now: new Date() } as const;
  return recall(database, { ...query, words, vectors });
}

/** The share of the ten truly nearest vectors of the guild that recall by vectors alone returns. */
async function shareOfExact(
  database: Database,
  memories: (typeof sizes)[number],
  random: () => number,
): Promise<number> {
  const times = 50;
  let shared = 0;
  for (let i = 0; i < times; i += 1) {
    const values = vectorOf(random);
    const found = await ask(database, memories, random, { words: "", values });
    const exact = await database.query<{ id: string }>(
      "select memory_id as id from memory_vectors where scope = $1 order by embedding <#> $2::halfvec limit 10",
      [scopeOf(memories), `[${values.join(",")}]`],
    );
    const nearest = new Set(exact.map(({ id }) => id));
    shared += found.filter(({ id }) => nearest.has(id)).length / nearest.size;
  }
  return shared / times;
}

/** A peer in a database of its own that holds one guild's memories; null where it is not installed. */
async function fillPeer(
  url: string,
  open: (options: { url: string; embedder: Embedder }) => Promise<PeerMemory | null>,
): Promise<PeerMemory | null> {
  const database = await createDatabase(url, `bench_peer_${Date.now()}`);
  const random = randomFrom(13);
  // Whatever a text says, its vector is another one: what is measured is the search.
  const embedder = { dimensions, embed: () => vectorOf(random) };
  await withDatabase(database, (sql) => sql.query("create extension if not exists vector"));
  const peer = await open({ url: database.url, embedder });
  for (let n = 0; peer !== null && n < compared; n += 1) await peer.add(sentence(random));
  await withDatabase(database, (sql) => sql.query("vacuum analyze"));
  return peer;
}
