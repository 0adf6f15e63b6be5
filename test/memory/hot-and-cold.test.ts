import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Receipt } from "../../src/chat/chat.ts";
import type { Database } from "../../src/connections/postgres.ts";
import { makeRedis } from "../../src/connections/redis.ts";
import type { Envelope } from "../../src/envelope.ts";
import { deleteTurns, editTurn } from "../../src/inbox/revisions.ts";
import { joinFollowing } from "../../src/inbox/together.ts";
import { finishTurn, insertTurns, storeDraft, takeUpTurns, type Turn } from "../../src/inbox/turns.ts";
import { makeMemory, type Memory } from "../../src/memory/memory.ts";
import { readRecentTurns, type RecentTurns } from "../../src/memory/recent-turns.ts";
import { makeInProcessRecentTurns } from "../../src/memory/recent-turns-in-process.ts";
import { makeRedisRecentTurns } from "../../src/memory/recent-turns-redis.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { makeBreaker } from "../../src/resilience/policies.ts";
import { makeTargets } from "../../src/resilience/targets.ts";
import { openServerDatabase } from "../connections/fresh-database.ts";
import { envelope } from "../inbox/envelopes.ts";
import { describeUnless } from "../servers/databases.ts";
import { openServerRedis, whyNoPostgres, whyNoRedis } from "../servers/shared.ts";
import { interleave, makeStepwise, type Stepwise } from "./stepwise.ts";
import { unguarded } from "../resilience/unguarded.ts";

const log = pino({ level: "silent" });
const lines = 4;
const limits = { recentLines: lines, recentHours: 24, recallLimit: 0, recallTokens: 0, similarityThreshold: 0.7 };
const never = new AbortController().signal;
const silent = [{ memory: { recall: false, scope: "channel" } }] as const;
const keep = { lines, maxAgeMs: 24 * 3_600_000, now: Date.now };

/** What may happen to a conversation, each in a transaction and what hot memory is told after it. */
type Event = "say" | "say two" | "reword" | "delete";
/** What is already there. */
const [older, last] = [1, 2];

const receipt: Receipt = {
  messageId: "1",
  agent: "mira",
  agentDisplayName: "Mira",
  chosenBy: "routing",
  reason: "default",
  memories: [],
  model: "offline",
  promptRevision: "p",
  settingsRevision: "s",
  tokens: { inputTokens: 0, outputTokens: 0, cachedTokens: 0 },
  stageMs: {},
  notes: [],
};

describeUnless(
  (await whyNoPostgres()) ?? (await whyNoRedis()),
  "hot memory and Postgres, whatever happens between two steps,",
  () => {
    let database: Database;
    let place: Awaited<ReturnType<typeof openServerRedis>>;
    let redis: ReturnType<typeof makeRedis>;
    let next = 0;

    beforeAll(async () => {
      [database, place] = await Promise.all([openServerDatabase(), openServerRedis()]);
      redis = makeRedis({ guard: unguarded, url: place.url, metrics: makeMetrics(), log });
      await redis.start(AbortSignal.timeout(5_000), () => {});
    });
    afterAll(async () => {
      await redis.stop(AbortSignal.timeout(1_000));
      await Promise.all([database.close(), place.drop()]);
    });

    const metrics = makeMetrics();
    const targets = makeTargets(
      { hotMemoryMs: 100, coldMemoryMs: 3_000, embeddingMs: 2_000, errorRate: 1 },
      metrics,
      log,
    );
    const breaker = makeBreaker({
      name: "memory_operations",
      failureThreshold: 5,
      recoveryMs: 1_000,
      counts: () => true,
    });
    /** A process's memory; `beforeStep` is waited for before it reads the lines from Postgres, and before it tells the cache of them. */
    const makeProcess = (recentTurns: RecentTurns, beforeStep: () => Promise<void> = async () => {}): Memory => {
      return makeMemory({
        database: {
          ...database,
          query: async (statement, values) => {
            if (statement.includes("received_at >")) await beforeStep();
            return database.query(statement, values);
          },
        },
        recentTurns: {
          ...recentTurns,
          replace: async (...known) => {
            await beforeStep();
            await recentTurns.replace(...known);
          },
        },
        model: makeOffline(),
        breaker,
        metrics,
        targets,
        log,
        alsoReadable: async () => [],
        limits,
      });
    };

    const at = (conversation: number, id: number, text = `message ${id}`): Envelope => ({
      ...envelope(id, conversation),
      messageId: String(conversation * 1_000 + id),
      text,
      receivedAt: new Date(Date.now() - 60_000 + id * 1_000),
    });

    /** Answers messages, together, as a worker does: in Postgres first, then in hot memory after `pause`. */
    const say = async (memory: Memory, said: readonly Envelope[], pause: () => Promise<void>, isTold = true) => {
      const [one] = said;
      if (one === undefined) return;
      let refresh = async () => {};
      await database.transaction(async (tx) => {
        await insertTurns(
          tx,
          said.map((each) => ({ envelope: each, priority: "reply" })),
        );
        await joinFollowing(tx, one.messageId);
        const [taken] = (await takeUpTurns(tx, [one.messageId])).values();
        const turn = { ...taken, job: { id: "", retryCount: 0 } } as Turn;
        const text = `re: ${turn.envelope.text}`;
        await storeDraft(tx, turn, { text, receipt }, []);
        await finishTurn(tx, turn, { state: "answered", error: null, reference: null, receipt });
        refresh = await memory.store(tx, turn.parts, { agent: "mira", displayName: "Mira", text });
      });
      await pause();
      if (isTold) await refresh();
    };

    const happen = async (
      event: Event,
      who: number,
      memory: Memory,
      conversation: number,
      pause: () => Promise<void>,
      isTold: boolean,
    ) => {
      if (event === "say") return say(memory, [at(conversation, 10 + who)], pause, isTold);
      if (event === "say two")
        return say(memory, [at(conversation, 10 + 10 * who), at(conversation, 11 + 10 * who)], pause, isTold);
      await database.transaction(async (tx) => {
        if (event === "delete") await deleteTurns(tx, [at(conversation, older).messageId]);
        else await editTurn(tx, at(conversation, older, `other words of ${who}`));
      });
      await pause();
      if (isTold) await memory.dropRecent(at(conversation, 1).conversationId);
      return undefined;
    };

    const seesTheTruth = async (processes: readonly Memory[], conversation: number, id: number) => {
      const now = at(conversation, id);
      const truth = await readRecentTurns(database, now, limits);
      for (const process of processes) {
        const { recent, notes } = await process.recall({ envelope: now, priority: "mention" }, silent, never);
        expect([recent, notes]).toEqual([truth, []]);
      }
    };

    /** Three processes: two to which something happens, and one that reads meanwhile. `told`: whether they come to tell the cache. */
    const play = async (
      caches: readonly [RecentTurns, RecentTurns],
      happening: readonly [Event, Event],
      told: readonly [boolean, boolean],
      order: readonly number[],
    ) => {
      next += 1;
      const conversation = next;
      const [one, two] = caches;
      const processes = caches.map((cache) => makeProcess(cache));
      const [here, there] = processes as [Memory, Memory];
      const readers = one === two ? [here] : [here, there];
      await say(here, [at(conversation, older)], async () => {});
      await database.query("update turns set finished_at = now() - interval '1 hour' where conversation_id = $1", [
        conversation,
      ]);
      await say(here, [at(conversation, last)], async () => {});
      await seesTheTruth(readers, conversation, 5);
      const works: readonly Stepwise[] = [
        makeStepwise((pause) => happen(happening[0], 0, here, conversation, pause, told[0])),
        makeStepwise((pause) => happen(happening[1], 1, there, conversation, pause, told[1])),
        makeStepwise(async (pause) => {
          await makeProcess(two, pause).recall({ envelope: at(conversation, 50), priority: "mention" }, silent, never);
        }),
      ];
      for (const who of order) await works[who]?.advance();
      const said = `${happening.join(", ")}; told ${told.join(", ")}; order ${order.join(" ")}`;
      await seesTheTruth(readers, conversation, 60).catch((error: Error) => {
        throw new Error(`${said}: ${error.message}`);
      });
      // Once more, from what the first look has left in the cache; and after one more message.
      await seesTheTruth(readers, conversation, 60);
      await say(there, [at(conversation, 70)], async () => {});
      await seesTheTruth(readers, conversation, 80);
    };

    it("say the same when a line is forgotten that stands before others without words, and the cache is not told", async () => {
      next += 1;
      const conversation = next;
      const memory = makeProcess(makeRedisRecentTurns(redis.cache, keep));
      const talk = async (id: number) => {
        const one = at(conversation, id);
        let refresh = async () => {};
        await database.transaction(async (tx) => {
          await insertTurns(tx, [{ envelope: one, priority: "ambient" }]);
          const [taken] = (await takeUpTurns(tx, [one.messageId])).values();
          const turn = { ...taken, job: { id: "", retryCount: 0 } } as Turn;
          await finishTurn(tx, turn, { state: "ignored", error: "talk", reference: null, receipt: null });
          refresh = await memory.store(tx, [one], null);
        });
        await refresh();
      };
      for (const id of [1, 2, 3, 4]) await talk(id);
      await database.transaction((tx) => deleteTurns(tx, [at(conversation, 3).messageId]));
      await memory.dropRecent(at(conversation, 1).conversationId);
      await seesTheTruth([memory], conversation, 5);
      await talk(5);
      await seesTheTruth([memory], conversation, 6);
      await database.transaction((tx) => deleteTurns(tx, [at(conversation, 1).messageId]));
      await seesTheTruth([memory], conversation, 6);
      const { recent } = await memory.recall({ envelope: at(conversation, 6), priority: "mention" }, silent, never);
      expect(recent.map(({ text }) => text)).toEqual(["message 2", "message 4", "message 5"]);
    });

    describe.each<[string, readonly (readonly [Event, Event])[], () => readonly [RecentTurns, RecentTurns]]>([
      [
        "in one Redis",
        [
          ["say", "say"],
          ["say", "say two"],
          ["say", "reword"],
          ["say", "delete"],
          ["say two", "reword"],
          ["say two", "delete"],
          ["reword", "delete"],
        ],
        () => {
          const cache = makeRedisRecentTurns(redis.cache, keep);
          return [cache, cache];
        },
      ],
      [
        "in each process",
        [
          ["say", "say two"],
          ["reword", "delete"],
        ],
        () => [
          makeInProcessRecentTurns({ ...keep, conversations: 10 }),
          makeInProcessRecentTurns({ ...keep, conversations: 10 }),
        ],
      ],
    ])("%s", (_, pairs, open) => {
      it.each(pairs)("say the same at the next message: %s, %s", async (...happening) => {
        // Two steps each, one of them without the second when it dies between them; and three of who reads: look, read, keep.
        const plays = [true, false].flatMap((one) =>
          [true, false].flatMap((other) =>
            interleave([one ? 2 : 1, other ? 2 : 1, 3]).map((order) => ({ told: [one, other] as const, order })),
          ),
        );
        const work = plays.values();
        let played = 0;
        await Promise.all(
          Array.from({ length: 6 }, async () => {
            for (const { told, order } of work) {
              await play(open(), happening, told, order);
              played += 1;
            }
          }),
        );
        expect(played).toBe(350);
      });
    });
  },
);
