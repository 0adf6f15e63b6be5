import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { remember } from "../../src/memory/remember.ts";
import { makeEmbedding } from "../../src/memory/vectors.ts";
import { makeGemini } from "../../src/model/gemini.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { saying } from "./saying.ts";

const signal = new AbortController().signal;
const log = pino({ level: "silent" });
const old = new Date(Date.now() - 3_600_000);

describe("memories get their vectors in the background", () => {
  let database: Database;
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  beforeAll(async () => {
    database = await openFreshDatabase();
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

  it("anew when the model was changed, and every vector says which space it is of", async () => {
    await store(5, old);
    await embedding(0).runOnce(signal);
    await makeEmbedding({ database, model: makeOffline(), log, patienceMs: 0, everyMs: 1_000_000 }).runOnce(signal);
    expect([await vectors("gemini-embedding-001@768"), await vectors("offline-hash@768")]).toEqual([0, 5]);
  });

  it("never for what was forgotten while its vector was made", async () => {
    await store(3, old);
    simulator.script({ on: "embed", firstTokenMs: 50 });
    const running = embedding(0).runOnce(signal);
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
