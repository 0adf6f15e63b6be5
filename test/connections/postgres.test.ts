import { inspect } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { describeOnBothDatabases } from "../servers/databases.ts";

const canary = "canary-said-91bc";

await describeOnBothDatabases("an error of the database", ({ open }) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
    await database.query("create table kept (id int primary key, text text check (text not like '%canary%'))");
  });
  afterAll(() => database.close());

  it.each([
    ["a row that breaks a constraint", "insert into kept values (1, $1)", [canary]],
    ["a value of the wrong type", "select $1::text::bigint", [canary]],
    ["a value that is no vector", "select $1::text::vector", [canary]],
    ["a value inside a statement", `select '${canary}'::int`, []],
  ])("says what is wrong and never what was written: %s", async (_, statement, values) => {
    const inTransaction = database.transaction((tx) => tx.query(statement, values)).catch((error: unknown) => error);
    const alone = database.query(statement, values).catch((error: unknown) => error);
    for (const error of [await inTransaction, await alone]) {
      expect(inspect(error, { depth: 5 })).not.toContain(canary);
      expect(error).toMatchObject({ message: expect.stringMatching(/^Postgres \w{5}: /), code: expect.any(String) });
    }
  });

  it("leaves nothing behind on its connection, not even when the statement began a transaction itself", async () => {
    await expect(database.query("begin; select 1 / 0; commit")).rejects.toThrow(/22012/);
    expect(await database.query("select 1 as n")).toEqual([{ n: 1 }]);
    await expect(database.transaction((tx) => tx.query("begin; select 1 / 0; commit"))).rejects.toThrow(/22012/);
    expect(await database.query("select 1 as n")).toEqual([{ n: 1 }]);
  });
});
