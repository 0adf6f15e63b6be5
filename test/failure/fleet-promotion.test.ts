import { afterEach, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { openForwarder } from "../servers/forwarder.ts";
import { administer, startPostgres } from "../servers/postgres.ts";
import { startReplica } from "../servers/replica.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { patience } from "./discord-bot.ts";
import { openFleet } from "./fleet.ts";

describeUnless(await whyNoOwnPostgres(), "a Postgres with a replica", () => {
  const closing: (() => Promise<void>)[] = [];
  const closeLater = <T extends { close(): Promise<void> }>(one: T): T => {
    closing.unshift(() => one.close());
    return one;
  };
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it("that dies in a burst: the promoted replica takes its place, and everything is answered once, in order", async () => {
    const primary = closeLater(await startPostgres());
    const database = await primary.createDatabase();
    const replica = closeLater(await startReplica(primary));
    const address = closeLater(await openForwarder(primary.port));
    const at = (url: string, { port }: { readonly port: number }) =>
      Object.assign(new URL(url), { port: String(port) }).href;

    const fleet = closeLater(await openFleet({ postgres: at(database.url, address), redis: null }));
    await fleet.migrate();
    await Promise.all((["gateway", "worker", "worker"] as const).map((role) => fleet.start(role)));
    fleet.ask(9);
    await fleet.answered(5);
    fleet.ask(9);
    await primary.kill();
    fleet.ask(6);
    // For a moment the address leads to what only reads, as it does where a name is moved before the promotion is over.
    address.point(replica.port);
    fleet.ask(3);
    await replica.promote();
    fleet.ask(3);
    await fleet.answeredOnce();
    expect(fleet.discord.report().identifies).toBe(1);
    // Discord has an answer a moment before its turn is ended.
    await vi.waitFor(async () => {
      const [row] = await administer<{ n: number }>(
        at(database.url, replica),
        "select count(*)::int as n from turns where state = 'answered'",
      );
      expect(row?.n).toBe(30);
    }, patience);
    fleet.withoutFault(
      /^(?:the inbox could not be read; trying again|the queue reported an error|a turn could not be put back|events could not be stored)$/,
    );
  });

  it("is named in one sentence by whoever is sent to the replica: migrate ends, the others wait", async () => {
    const primary = closeLater(await startPostgres());
    const database = await primary.createDatabase();
    const fleet = closeLater(await openFleet({ postgres: database.url, redis: null }));
    await fleet.migrate();
    const replica = closeLater(await startReplica(primary));
    const POSTGRESQL_URL = Object.assign(new URL(database.url), { port: String(replica.port) }).href;
    const { code, stderr } = await fleet.run("migrate", { POSTGRESQL_URL, LOG_LEVEL: "fatal" });
    expect([code, stderr]).toEqual([1, [expect.stringContaining("only reads: name the primary")]]);
    for (const role of ["gateway", "worker"] as const) {
      const one = await fleet.begin(role, { POSTGRESQL_URL });
      await vi.waitFor(
        () =>
          expect(one.log.map(({ msg }) => msg)).toContainEqual(
            expect.stringMatching(/^postgres cannot start yet: .*only reads: name the primary/),
          ),
        patience,
      );
    }
  });
});
