import { expect, it } from "vitest";
import { openServerDatabase } from "./fresh-database.ts";
import { describeUnless } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";

describeUnless(await whyNoPostgres(), "a transaction whose process is frozen", () => {
  it("does not hold its locks for ever: others go on after some seconds, and it fails", async () => {
    const database = await openServerDatabase();
    await database.query("create table held (n int); insert into held values (0)");
    const taken = Promise.withResolvers<void>();
    const thawed = Promise.withResolvers<void>();
    const frozen = database
      .transaction(async (tx) => {
        await tx.query("update held set n = 1");
        taken.resolve();
        await thawed.promise;
        await tx.query("select 1");
      })
      .catch((error: unknown) => error);
    await taken.promise;
    await database.query("update held set n = 2");
    thawed.resolve();
    expect(await frozen).toBeInstanceOf(Error);
    expect(await database.query("select n from held")).toEqual([{ n: 2 }]);
    await database.close();
  });
});
