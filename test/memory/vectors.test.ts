import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { remember } from "../../src/memory/remember.ts";
import { makeEmbedding, makeQueryVectors } from "../../src/memory/vectors.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeGemini } from "../../src/model/gemini.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { makeTargets } from "../../src/resilience/targets.ts";
import { readConfig } from "../../src/config.ts";
import { envelope } from "../inbox/envelopes.ts";
import { describeOnEveryDatabase } from "../servers/databases.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { saying } from "./saying.ts";

const signal = new AbortController().signal;
const log = pino({ level: "silent" });
const old = new Date(Date.now() - 3_600_000);

await describeOnEveryDatabase("memories get their vectors in the background", ({ open }) => {
  let database: Database;
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  beforeAll(async () => {
    database = await open();
    simulator = await startGeminiSimulator({});
  });
  afterAll(async () => {
    await simulator.stop();
    await database.close();
  });
  beforeEach(() => database.query("delete from memories"));
  const embedding = (patienceMs: number) => {
    const models = { model: "gemini-3.5-flash-lite", embeddingModel: "gemini-embedding-001", embeddingDimensions: 768 };
    const model = makeGemini({ apiKey: "x", baseUrl: simulator.url, ...models });
    return makeEmbedding({ database, model, log, patienceMs, everyMs: 1_000_000 });
  };
  const store = (n: number, createdAt: Date) =>
    remember(
      database,
      Array.from({ length: n }, (_, i) => saying(`memory number ${i}`, { createdAt })),
    );
  const vectors = async (space: string) => {
    const [row] = await database.query<{ n: number }>(
      "select count(*)::int as n from memory_vectors where space = $1",
      [space],
    );
    return row?.n;
  };

  it("in one call for 100 memories, which are 50 messages and their replies; the rest waits for more or for its time", async () => {
    await store(130, new Date());
    const before = simulator.requests.length;
    expect(await embedding(300_000).runOnce(signal)).toBe(100);
    expect(await embedding(300_000).runOnce(signal)).toBe(0);
    expect(simulator.requests.length - before).toBe(1);
    expect(await vectors("gemini-embedding-001@768")).toBe(100);
    await database.query("update memories set created_at = $1", [old]);
    expect(await embedding(300_000).runOnce(signal)).toBe(30);
  });

  it("in one call, however many processes there are; whoever dies over it is taken the work from", async () => {
    await store(100, new Date());
    const before = simulator.requests.length;
    simulator.script({ on: "embed", fault: "hang", times: 1 });
    const dying = new AbortController();
    const first = embedding(300_000).runOnce(dying.signal);
    await vi.waitFor(() => expect(simulator.requests.length - before).toBe(1));
    const others = [embedding(300_000), embedding(300_000)];
    expect(await Promise.all(others.map((one) => one.runOnce(signal)))).toEqual([0, 0]);
    expect(simulator.requests.length - before).toBe(1);
    dying.abort(new Error("gone"));
    await expect(first).rejects.toBeInstanceOf(Error);
    const done = await Promise.all(others.map((one) => one.runOnce(signal)));
    expect(done.toSorted((a, b) => a - b)).toEqual([0, 100]);
    expect([await vectors("gemini-embedding-001@768"), simulator.requests.length - before]).toEqual([100, 2]);
  });

  it("and Postgres is told how many there are, without which recall compares each with each", async () => {
    const known = async () => {
      const [row] = await database.query<{ n: number }>(
        "select reltuples as n from pg_class where oid = 'memory_vectors'::regclass",
      );
      return row?.n;
    };
    await database.query("analyze memory_vectors (memory_id)");
    expect(await known()).toBe(0);
    await store(100, new Date());
    await embedding(300_000).runOnce(signal);
    expect(await known()).toBe(100);
  });

  it("anew when the model was changed, and every vector says which space it is of", async () => {
    await store(5, old);
    await embedding(0).runOnce(signal);
    await makeEmbedding({ database, model: makeOffline(), log, patienceMs: 0, everyMs: 1_000_000 }).runOnce(signal);
    expect([await vectors("gemini-embedding-001@768"), await vectors("offline-hash@768")]).toEqual([0, 5]);
  });

  it("and while that goes on, a question is compared with the new vectors and with the old ones", async () => {
    await store(2, old);
    await embedding(0).runOnce(signal);
    await remember(database, [saying("a memory of the new model", { createdAt: old })]);
    const models = { model: "gemini-3.5-flash-lite", embeddingModel: "gemini-embedding-2", embeddingDimensions: 128 };
    const model = makeGemini({ apiKey: "x", baseUrl: simulator.url, ...models });
    await database.query(
      `insert into memory_vectors select id, scope, 'gemini-embedding-2@128', $1::halfvec from memories where embedded_in is null`,
      [`[${Array.from({ length: 128 }, () => "0.1").join(",")}]`],
    );
    const metrics = makeMetrics();
    const targets = makeTargets(readConfig({}).targets, metrics, log);
    const limits = { similarityThreshold: 0 };
    const queryVectors = makeQueryVectors({ database, model, targets, metrics, limits });
    const embed = vi.spyOn(model, "embed");
    const asking = { envelope: { ...envelope(1), guildId: "1" }, priority: "ambient" as const };
    const { vectors: asked, note } = await queryVectors.of(asking, signal);
    // As much as its turn matters, and for the guild: what people only talk of must not use up what mentions need.
    expect(embed.mock.calls.map(([{ priority, scope }]) => [priority, scope])).toEqual([
      ["ambient", "1"],
      ["ambient", "1"],
    ]);
    expect(asked.map(({ space, values }) => [space, values.length])).toEqual([
      ["gemini-embedding-001@768", 768],
      ["gemini-embedding-2@128", 128],
    ]);
    expect(note).toBeNull();
    simulator.script({ on: "embed", fault: "404" });
    const later = { ...asking, envelope: { ...asking.envelope, text: "another question" } };
    const { vectors: left, note: why } = await queryVectors.of(later, signal);
    expect(left.map(({ space }) => space)).toEqual(["gemini-embedding-2@128"]);
    expect(why).toMatch(/without some vectors/);
  });

  it("never for what was forgotten while its vector was made", async () => {
    await store(3, old);
    simulator.script({ on: "embed", firstTokenMs: 300 });
    const before = simulator.requests.length;
    const running = embedding(0).runOnce(signal);
    await vi.waitFor(() => expect(simulator.requests.length).toBe(before + 1), { timeout: 30_000, interval: 5 });
    await database.query("delete from memories");
    await running;
    expect(await vectors("gemini-embedding-001@768")).toBe(0);
  });

  it("later, when the model fails now; the memories stay found by their words", async () => {
    await store(2, old);
    simulator.script({ on: "embed", fault: "503" });
    await expect(embedding(0).runOnce(signal)).rejects.toThrow(/unavailable/);
    expect(await embedding(0).runOnce(signal)).toBe(2);
  });
});
