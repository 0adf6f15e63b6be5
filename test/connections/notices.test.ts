import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeNotices, type Notices } from "../../src/connections/notices.ts";
import { openPostgres, type Database } from "../../src/connections/postgres.ts";
import { describeUnless } from "../servers/databases.ts";
import { openForwarder } from "../servers/forwarder.ts";
import { createServerDatabase, whyNoPostgres } from "../servers/shared.ts";

const log = pino({ level: "silent" });
const patience = { timeout: 30_000, interval: 25 };

describeUnless(await whyNoPostgres(), "calls between processes", () => {
  let place: Awaited<ReturnType<typeof createServerDatabase>>;
  let database: Database;
  let open: Notices[];
  const join = async (): Promise<{ notices: Notices; heard: (readonly string[] | null)[] }> => {
    const notices = makeNotices({ url: place.url, role: "worker", log });
    const heard: (readonly string[] | null)[] = [];
    notices.on("kept", (words) => heard.push(words));
    await notices.start(AbortSignal.timeout(5_000), () => {});
    await vi.waitFor(() => expect(heard).toEqual([null]), patience);
    open.push(notices);
    return { notices, heard };
  };
  beforeEach(async () => {
    open = [];
    place = await createServerDatabase("empty");
    database = await openPostgres({ url: place.url, poolMin: 0, poolMax: 2, onIdleError: () => {} });
  });
  afterEach(async () => {
    await Promise.all(open.map((notices) => notices.stop(AbortSignal.timeout(1_000))));
    await database.close();
    await place.drop();
  });

  it("are heard by the others once the transaction has committed, and by nobody when it has not", async () => {
    const [one, other] = [await join(), await join()];
    const undone = database.transaction(async (tx) => {
      await one.notices.send(tx, "kept", ["undone"]);
      throw new Error("changed my mind");
    });
    await expect(undone).rejects.toThrow("changed my mind");
    await database.transaction((tx) => one.notices.send(tx, "revoked", ["elsewhere"]));
    await database.transaction((tx) => one.notices.send(tx, "kept", ["a", "b"]));
    await database.transaction((tx) => other.notices.send(tx, "kept"));
    await vi.waitFor(
      () =>
        expect([one.heard, other.heard]).toEqual([
          [null, []],
          [null, ["a", "b"]],
        ]),
      patience,
    );
  });

  it("are not refused where the server stands still while it is tried whether they are heard", async () => {
    const url = new URL(place.url);
    const forwarder = await openForwarder(Number(url.port), url.hostname);
    try {
      url.port = String(forwarder.port);
      forwarder.beforeSent("notify probe_", () => forwarder.silence());
      const notices = makeNotices({ url: url.href, role: "worker", log });
      open.push(notices);
      await notices.start(AbortSignal.timeout(30_000), () => {});
      await vi.waitFor(
        async () => expect((await notices.check?.(AbortSignal.timeout(500)))?.status).toBe("healthy"),
        patience,
      );
    } finally {
      await Promise.all(open.splice(0).map((notices) => notices.stop(AbortSignal.timeout(1_000))));
      await forwarder.close();
    }
  });

  it("go on after the line broke, and say that some may be lost", async () => {
    const [one, other] = [await join(), await join()];
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'discord-agent worker' and datname = current_database()",
    );
    await vi.waitFor(
      () =>
        expect([one.heard, other.heard]).toEqual([
          [null, null],
          [null, null],
        ]),
      patience,
    );
    expect(await one.notices.check?.(AbortSignal.timeout(500))).toEqual({ status: "healthy" });
    await database.transaction((tx) => one.notices.send(tx, "kept", ["again"]));
    await vi.waitFor(() => expect(other.heard.at(-1)).toEqual(["again"]), patience);
  });

  it("are counted by their roles", async () => {
    const one = await join();
    expect([one.notices.processes("worker"), one.notices.processes("gateway")]).toEqual([1, 1]);
    await join();
    const third = await join();
    expect(third.notices.processes("worker", "all-in-one")).toBe(3);
  });

  it("tell once that the clock is wrong, and once more when it was right in between", async () => {
    const said: string[] = [];
    const tells = pino({}, { write: (line) => void said.push(String((JSON.parse(line) as { msg: unknown }).msg)) });
    const real = Date.now.bind(Date);
    const clock = vi.spyOn(Date, "now");
    const isOffBy = (minutes: number) => clock.mockImplementation(() => real() + minutes * 60_000);
    const lastAsked = async () => {
      const [row] = await database.query<{ at: string }>(
        "select query_start::text as at from pg_stat_activity where application_name = 'discord-agent worker' and datname = current_database()",
      );
      return row?.at;
    };
    const saysFiveSecondsLater = async (minutes: number) => {
      isOffBy(minutes);
      const before = await lastAsked();
      vi.advanceTimersByTime(5_000);
      await vi.waitFor(async () => expect(await lastAsked()).not.toBe(before), patience);
      return said.at(-1);
    };
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      isOffBy(0.5);
      const notices = makeNotices({ url: place.url, role: "worker", log: tells });
      open.push(notices);
      await notices.start(AbortSignal.timeout(5_000), () => {});
      expect(said).toEqual([]);
      await saysFiveSecondsLater(61);
      expect(await saysFiveSecondsLater(61)).toContain("the clock of this process is 61 min ahead of the database's");
      await saysFiveSecondsLater(0);
      expect(await saysFiveSecondsLater(0)).toContain("the clock of this process is right again");
      await saysFiveSecondsLater(-61);
      expect(await saysFiveSecondsLater(-61)).toContain("the clock of this process is 61 min behind the database's");
      expect(said).toHaveLength(3);
    } finally {
      clock.mockRestore();
      vi.useRealTimers();
    }
  });

  it("say so while there is no server", async () => {
    const notices = makeNotices({ url: "postgres://nobody@127.0.0.1:1/nothing", role: "worker", log });
    await notices.start(AbortSignal.timeout(5_000), () => {});
    expect(await notices.check?.(AbortSignal.timeout(500))).toMatchObject({ status: "degraded" });
    await notices.stop(AbortSignal.timeout(1_000));
  });
});
