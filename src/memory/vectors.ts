import type { Database } from "../connections/postgres.ts";
import { scopeOf, subjectOf, type Envelope, type Priority } from "../envelope.ts";
import { asError, ForeseenError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Model } from "../model/model.ts";
import type { Targets } from "../resilience/targets.ts";
import { makeLease } from "./lease.ts";
import type { QueryVector } from "./recall.ts";

const cacheSize = 500;

/** A message for which is looked, and how much it matters. */
export interface Asked {
  readonly envelope: Envelope;
  readonly priority: Priority;
}

/** Embeds what is asked, once per text, and only where there is something to compare it with. */
export function makeQueryVectors(options: {
  database: Database;
  model: Model;
  targets: Targets;
  metrics: Metrics;
  limits: { similarityThreshold: number };
}) {
  const { database, model, targets } = options;
  const count = (status: string) => options.metrics.memoryOperations.inc({ operation_type: "query_vector", status });
  const { kind, reads, space: current } = model.embedder;
  const retired = new Set<string>();
  const cache = new Map<string, readonly number[]>();
  // A hash of words and letters says nothing about meaning. Fused with BM25 at a tenth of its weight it cost 2.5 points of
  // recall@5 on LoCoMo, so it only adds what full text did not find at all, behind everything that it did.
  const weight = kind === "semantic" ? 1 : 0.001;
  const threshold = kind === "semantic" ? options.limits.similarityThreshold : 0.2;

  const embed = async (
    { envelope, priority }: Asked,
    space: string,
    signal: AbortSignal,
  ): Promise<readonly number[]> => {
    const text = subjectOf(envelope);
    const key = `${space} ${text}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    const started = performance.now();
    const request = { texts: [text], task: "query", priority, scope: scopeOf(envelope), space } as const;
    const [vector = []] = await model.embed(request, signal);
    targets.observe("embedding_ms", performance.now() - started);
    cache.set(key, vector);
    const [oldest] = cache.keys();
    if (cache.size > cacheSize && oldest !== undefined) cache.delete(oldest);
    return vector;
  };

  return {
    /** None, with a note, when full text has to do alone; never throws for a model that cannot embed now. */
    async of(asked: Asked, signal: AbortSignal): Promise<{ vectors: QueryVector[]; note: string | null }> {
      const vectors: QueryVector[] = [];
      const notes: string[] = [];
      // A question must not wait for its own vector: without one, full text recalls alone.
      const patience = AbortSignal.any([signal, AbortSignal.timeout(3_000)]);
      for (const space of await spacesOf(database, asked.envelope)) {
        if (!reads(space) || retired.has(space)) continue;
        try {
          vectors.push({ space, values: await embed(asked, space, patience), weight, threshold });
        } catch (error) {
          if (!(error instanceof ForeseenError)) throw error;
          // A provider that no longer has a former model is not asked again for each question.
          if (space !== current && error.disposition.kind === "bury") retired.add(space);
          notes.push(asError(error).message);
        }
      }
      count(notes.length > 0 ? "error" : vectors.length === 0 ? "skipped" : "success");
      const less = vectors.length === 0 ? "by full text alone" : "without some vectors";
      return { vectors, note: notes.length === 0 ? null : `recall ${less}: ${notes.join("; ")}` };
    },
  };
}

/** The spaces that a scope has vectors in, found by jumping through the index from one to the next. */
async function spacesOf(database: Database, envelope: Envelope): Promise<readonly string[]> {
  const rows = await database.query<{ space: string }>(
    `with recursive spaces as (
       (select space from memory_vectors where scope = $1 order by space limit 1)
       union all
       select (select v.space from memory_vectors v where v.scope = $1 and v.space > spaces.space order by v.space limit 1)
       from spaces where spaces.space is not null
     ) select space from spaces where space is not null`,
    [scopeOf(envelope)],
  );
  return rows.map(({ space }) => space);
}

const batchSize = 100;

/**
 * Embeds stored memories in the background, in batches: a full one at once, a smaller one when its oldest memory has
 * waited `patienceMs`. Memories of another vector space (the model was changed) are embedded anew the same way.
 */
export function makeEmbedding(options: {
  database: Database;
  model: Model;
  log: Logger;
  patienceMs: number;
  everyMs: number;
}): Component & { runOnce(signal: AbortSignal): Promise<number> } {
  const { database, model, log } = options;
  const { space } = model.embedder;
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let lastError: string | null = null;
  const runOnce = makeBatches(database, model, options.patienceMs);

  const tick = async () => {
    try {
      while (!stopping.signal.aborted && (await runOnce(stopping.signal)) === batchSize);
      lastError = null;
    } catch (error) {
      const message = asError(error).message;
      if (!stopping.signal.aborted && message !== lastError) {
        log.warn(
          { component: "embedding", reason: message },
          "memories wait for their vectors; full text finds them meanwhile",
        );
      }
      lastError = message;
    } finally {
      if (!stopping.signal.aborted) schedule();
    }
  };
  const schedule = () => {
    timer = setTimeout(() => {
      running = tick();
    }, options.everyMs);
    timer.unref();
  };

  return {
    name: "embedding",
    start: async () => schedule(),
    stop: async () => {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
    check: async () =>
      lastError === null
        ? { status: "healthy", details: { space } }
        : { status: "degraded", details: { space, reason: lastError } },
    runOnce,
  };
}

/** Embeds one batch, when one is full or overdue and no other process is at it, and says how many memories were in it. */
function makeBatches(database: Database, model: Model, patienceMs: number): (signal: AbortSignal) => Promise<number> {
  const { space } = model.embedder;
  const inform = makeInformer(database);
  const lease = makeLease(database, "embedding");
  const read = async () => {
    const pending = await readPending(database, space, patienceMs);
    return pending.length < batchSize && !pending.some((memory) => memory.due) ? [] : pending;
  };
  const embed = async (signal: AbortSignal) => {
    // Read anew: another process may have been at it a moment ago.
    const pending = await read();
    if (pending.length === 0) return 0;
    const texts = pending.map((memory) => memory.text);
    const vectors = await model.embed({ texts, task: "document", priority: "background" }, signal);
    await storeVectors(database, space, pending, vectors);
    await inform(pending.length);
    return pending.length;
  };
  return async (signal) => ((await read()).length === 0 ? 0 : ((await lease.run(() => embed(signal))) ?? 0));
}

/** As autovacuum has it: so many rows, and a tenth of those there are. */
const fewRows = 50;

/**
 * Postgres plans recall by what it knows of these tables. The embedded one never looks by itself and a server only after a minute; without it every vector of a
 * guild is compared with every memory (300 memories: 10 ms instead of 4, growing with their square). Not the vectors themselves: that would take seconds.
 */
function makeInformer(database: Database): (stored: number) => Promise<void> {
  let grown = 0;
  return async (stored) => {
    grown += stored;
    if (grown < fewRows) return;
    const [row] = await database.query<{ known: number }>(
      "select reltuples as known from pg_class where oid = 'memory_vectors'::regclass",
    );
    if (grown < (row?.known ?? 0) / 10) return;
    grown = 0;
    await database.query(
      `analyze memories (id, scope, channel_id, author_id, conversation_id, position, audience, source_message_id),
         memory_vectors (memory_id, scope, space), memory_sketches (memory_id, scope, space, channel_id, audience, author_id)`,
    );
  };
}

async function readPending(database: Database, space: string, patienceMs: number) {
  // Two equalities instead of one "is distinct from", which no index serves.
  return database.query<{ id: string; text: string; scope: string; due: boolean }>(
    `select id, text, scope, created_at < now() - make_interval(secs => $3) as due from (
       (select * from memories where embedded_in is null order by id limit $2)
       union all
       (select * from memories where embedded_in < $1 order by id limit $2)
       union all
       (select * from memories where embedded_in > $1 order by id limit $2)
     ) pending order by id limit $2`,
    [space, batchSize, patienceMs / 1000],
  );
}

async function storeVectors(
  database: Database,
  space: string,
  memories: readonly { id: string; scope: string }[],
  vectors: readonly (readonly number[])[],
): Promise<void> {
  await database.transaction(async (tx) => {
    // Joined with memories: one that was forgotten while its vector was made must not get it, and one that is forgotten now waits for this.
    await tx.query(
      `with there as (select id, scope from memories where id = any($1::bigint[]) order by id for key share)
       insert into memory_vectors (memory_id, scope, space, embedding)
       select there.id, there.scope, $2, v.embedding::halfvec
       from unnest($1::bigint[], $3::text[]) as v (id, embedding) join there on there.id = v.id
       on conflict (memory_id, space) do update set embedding = excluded.embedding`,
      [memories.map(({ id }) => id), space, vectors.map((vector) => `[${vector.join(",")}]`)],
    );
    await tx.query("update memories set embedded_in = $2 where id = any($1::bigint[])", [
      memories.map(({ id }) => id),
      space,
    ]);
    await tx.query("delete from memory_vectors where memory_id = any($1::bigint[]) and space <> $2", [
      memories.map(({ id }) => id),
      space,
    ]);
  });
}
