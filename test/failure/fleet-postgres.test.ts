import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { openForwarder } from "../servers/forwarder.ts";
import { administer, startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { patience } from "./discord-bot.ts";
import { havePassed, healthOf, openFleet, type Fleet } from "./fleet.ts";
import type { Watched } from "./process.ts";

/** What is said, and may be said, of a Postgres that is away. */
const away =
  /^(?:the inbox could not be read; trying again|the queue reported an error|a turn could not be put back|a shard was taken over by another process)$/;

describeUnless(await whyNoOwnPostgres(), "a fleet whose Postgres goes away in a burst", () => {
  let postgres: PostgresServer;
  let url: string;
  let fleet: Fleet;
  const watermark = async () => (await administer<{ watermark: string }>(url, "select watermark from shards"))[0];
  const each = (see: (one: Watched) => Promise<void>) =>
    Promise.all(fleet.processes.map((one) => vi.waitFor(() => see(one), patience)));
  const open = async () => {
    url = (await postgres.createDatabase()).url;
    fleet = await openFleet({ postgres: url, redis: null });
    await fleet.migrate();
  };
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.close());

  describe("and two gateways and two workers", () => {
    let total = 0;
    const ask = (count: number) => {
      fleet.ask(count);
      total += count;
    };
    beforeAll(async () => {
      await open();
      await Promise.all((["gateway", "gateway", "worker", "worker"] as const).map((role) => fleet.start(role)));
    });
    afterAll(() => fleet.close());

    it.each<[string, number, () => Promise<void>, () => Promise<void>]>([
      ["shut down in order", 4, () => postgres.stop(), () => postgres.start()],
      ["killed", 60, () => postgres.kill(), () => postgres.start()],
      ["frozen", 4, () => postgres.freeze(), () => postgres.thaw()],
    ])(
      "when it is %s, for %i s, longer than a lease: all is answered once, in order",
      async (_, seconds, goAway, comeBack) => {
        ask(6);
        await fleet.answered(total - 3);
        ask(6);
        await goAway();
        const since = Date.now();
        ask(6);
        await each(async (one) => expect((await one.get("/health/ready")).status).toBe(503));
        for (const one of fleet.processes) expect((await one.get("/health/live")).status).toBe(200);
        await havePassed(seconds, since);
        ask(3);
        await comeBack();
        ask(6);
        await fleet.answeredOnce();
        await each(async (one) => expect(await healthOf(one, "postgres")).toBe("healthy"));
        await each(async (one) => {
          const [{ status }, health] = await Promise.all([one.get("/health/ready"), one.get("/health")]);
          expect([status, status === 200 ? "" : await health.text()]).toEqual([200, ""]);
        });
        expect(fleet.discord.report().identifies).toBe(1);
        fleet.withoutFault(away);
      },
      240_000,
    );

    it("when it is restarted again and again: the same", async () => {
      for (let i = 0; i < 3; i += 1) {
        ask(6);
        await fleet.answered(total - 4);
        await (i % 2 === 0 ? postgres.kill() : postgres.stop());
        ask(3);
        await postgres.start();
      }
      await fleet.answeredOnce();
      expect(fleet.discord.report().identifies).toBe(1);
      fleet.withoutFault(away);
    });
  });

  it("when its host goes from the net without a word: the same, on connections that are opened anew", async () => {
    const forwarder = await openForwarder(postgres.port);
    const far = new URL((await postgres.createDatabase()).url);
    far.host = `127.0.0.1:${forwarder.port}`;
    fleet = await openFleet({ postgres: far.href, redis: null });
    try {
      await fleet.migrate();
      await Promise.all((["gateway", "worker"] as const).map((role) => fleet.start(role)));
      fleet.ask(3);
      await fleet.answeredOnce();
      fleet.ask(6);
      forwarder.silence();
      fleet.ask(6);
      await fleet.answeredOnce();
      await each(async (one) => expect((await one.get("/health/ready")).status).toBe(200));
      fleet.withoutFault(new RegExp(`${away.source}|^events could not be stored$`));
    } finally {
      await fleet.close();
      await forwarder.close();
    }
  });

  describe("and a gateway that may hold ten events", () => {
    beforeEach(open);
    afterEach(() => fleet.close());

    it("hangs up when more come, resumes where its watermark stands, and all is answered once", async () => {
      const gateway = await fleet.start("gateway", { DISCORD_HOLD_EVENTS: "10" });
      await fleet.start("worker");
      fleet.ask(3);
      await fleet.answeredOnce();
      const before = await watermark();
      const { resumeds } = fleet.discord.report();
      await postgres.kill();
      fleet.ask(40);
      const said = (words: string) => gateway.log.filter(({ msg }) => String(msg).includes(words));
      await vi.waitFor(() => expect(said("too many events wait for Postgres")).toHaveLength(1), patience);
      await vi.waitFor(() => expect(fleet.discord.report().liveSockets).toBe(0), patience);
      expect(fleet.discord.report().resumeds, "it waits until it can store").toBe(resumeds);
      await postgres.start();
      await fleet.answeredOnce();
      expect(fleet.discord.report()).toMatchObject({ identifies: 1, refusedResumes: [] });
      expect(fleet.discord.report().resumeds).toBeGreaterThan(resumeds);
      const after = await watermark();
      expect(Number(after?.watermark)).toBeGreaterThanOrEqual(Number(before?.watermark) + 40);
      fleet.withoutFault(/too many events wait|the inbox could not be read|the queue reported an error/);
    });
  });
});
