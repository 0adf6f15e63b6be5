import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { administer, startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";
import { whyNoOwnPostgres, whyNoOwnRedis } from "../servers/shared.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { openFleet, type Fleet } from "./fleet.ts";
import { hourMs, withClock } from "./wrong-clock.ts";

const missing = (await whyNoOwnPostgres()) ?? (await whyNoOwnRedis());

describeUnless(missing, "a fleet whose clocks are an hour apart", () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  let url: string;
  let fleet: Fleet;
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  });
  beforeEach(async () => {
    url = (await postgres.createDatabase()).url;
    fleet = await openFleet({ postgres: url, redis: redis.url });
    await fleet.migrate();
  });
  afterEach(() => fleet.close());
  afterAll(async () => {
    await Promise.all([postgres.close(), redis.close()]);
  });

  it("answers everything once, in order, within the limits, also when another gateway takes over", async () => {
    const [first, ...others] = await Promise.all([
      fleet.start("gateway", withClock(hourMs)),
      fleet.start("worker", withClock(-hourMs)),
      fleet.start("worker", withClock(hourMs)),
    ]);
    const lines = first.log.map(({ time }) => Number(new Date(String(time))) - Date.now());
    expect(Math.min(...lines), "its clock is right after all").toBeGreaterThan(hourMs / 2);
    fleet.ask(12);
    await fleet.answeredOnce();
    await fleet.start("gateway", withClock(-hourMs));
    fleet.ask(6);
    first.kill("SIGKILL");
    fleet.ask(6);
    await fleet.answeredOnce();
    expect(fleet.discord.report().identifies).toBe(1);
    fleet.withoutFault();
    for (const { log } of [...others, first]) {
      const said = log.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith("the clock of this process"));
      expect(said).toEqual([expect.stringMatching(/is 60 min (?:ahead of|behind) the database's: /)]);
    }
    const isRight = "abs(extract(epoch from created_at - now())) < 600";
    const remembered = "select count(*)::int as n from memories where kind = 'reply' and";
    // An answer is kept a moment after it is seen.
    await vi.waitFor(
      async () => expect(await administer(url, `${remembered} ${isRight}`)).toEqual([{ n: 24 }]),
      patience,
    );
  });

  it.each([
    ["ahead", hourMs],
    ["behind", -hourMs],
  ])("puts a message back for as long as it says, by a worker whose clock is %s, and says when", async (_, shiftMs) => {
    await Promise.all([
      fleet.start("gateway", withClock(shiftMs)),
      fleet.start("worker", { ...withClock(shiftMs), TURN_DEADLINE_SECONDS: "21" }),
    ]);
    fleet.gemini.script({ on: "generate", fault: "429-minute", retryDelaySeconds: 4 });
    fleet.ask(1);
    const shown = () => answersIn(fleet.discord, fleet.channel).map(({ content }) => content);
    const told = await vi.waitFor(() => {
      const seconds = shown().map((content) => /<t:(\d+):T>/.exec(content)?.[1])[0];
      if (seconds === undefined) throw new Error(`nothing was said of a wait: ${shown().join()}`);
      return Number(seconds) * 1_000;
    }, patience);
    expect(Math.abs(told - Date.now())).toBeLessThan(60_000);
    await vi.waitFor(() => expect(shown()).toEqual([expect.stringContaining("Simulated reply")]), patience);
    expect(await administer(url, "select attempts, faults from turns where addressed")).toEqual([
      { attempts: 2, faults: 0 },
    ]);
    fleet.withoutFault();
  });
});
