import { expect, it } from "vitest";
import { openServerDatabase } from "./fresh-database.ts";
import { describeUnless } from "../servers/databases.ts";
import { whyNoPostgres } from "../servers/shared.ts";

describeUnless(await whyNoPostgres(), "two transactions that wait for each other", () => {
  it("are both done: the one that Postgres ends is begun again", async () => {
    const database = await openServerDatabase();
    await database.query("create table two (id int primary key, n int); insert into two values (1, 0), (2, 0)");
    const haveOne = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    let begun = 0;
    const raise = (first: 0 | 1) =>
      database.transaction(async (tx) => {
        begun += 1;
        await tx.query("update two set n = n + 1 where id = $1", [first + 1]);
        haveOne[first].resolve();
        await haveOne[first === 0 ? 1 : 0].promise;
        await tx.query("update two set n = n + 1 where id = $1", [2 - first]);
      });
    await Promise.all([raise(0), raise(1)]);
    expect(begun).toBe(3);
    expect(await database.query("select id, n from two order by id")).toEqual([
      { id: 1, n: 2 },
      { id: 2, n: 2 },
    ]);
    await database.close();
  });
});
