import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { openPostgres } from "../../src/connections/postgres.ts";
import { startBot } from "../failure/bot.ts";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { temporaryFolder } from "./fresh-database.ts";

describeUnless(await whyNoOwnPostgres(), "a Postgres server that goes away and comes back", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());

  it.each([
    ["shut down in order", () => server.stop()],
    ["gone at once", () => server.kill()],
  ])("when %s: what was in flight says that it may be tried again, and the next one is served", async (_, goAway) => {
    const { url } = await server.createDatabase();
    const database = await openPostgres({ url, poolMin: 0, poolMax: 3, onIdleError: () => {} });
    await database.query("create table kept (n int)");
    const begun = Promise.withResolvers<void>();
    const inFlight = database.transaction(async (tx) => {
      await tx.query("insert into kept values (1)");
      begun.resolve();
      await tx.query("select pg_sleep(600)");
    });
    const end = inFlight.catch((error: unknown) => error);
    await begun.promise;
    await goAway();
    expect(await end).toMatchObject({ code: "database_unreachable", disposition: { kind: "retry" } });
    await expect(database.query("select 1")).rejects.toMatchObject({ code: "database_unreachable" });
    await server.start();
    expect(await database.query("select n from kept")).toEqual([]);
    await database.close();
  });

  it("is answered from again by a product that was running all the time, and nothing is lost", async () => {
    const [{ url }, folder] = await Promise.all([server.createDatabase(), temporaryFolder()]);
    const bot = startBot(folder.path, { POSTGRESQL_URL: url });
    bot.say("My cat is called Miso.");
    await vi.waitFor(() => expect(bot.answers).toHaveLength(1), { timeout: 60_000 });
    await server.kill();
    await server.start();
    bot.say("What is my cat called?");
    bot.end();
    expect(await bot.exited).toBe(0);
    expect(bot.answers.map(({ text }) => text)).toEqual([expect.anything(), expect.stringContaining("Miso")]);
    expect(bot.errors()).not.toContain(new URL(url).password);
    await folder.remove();
  });
});
