import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openHouse, type House } from "../failure/discord-house.ts";
import { runToEnd } from "../failure/process.ts";
import { describeUnless } from "../servers/databases.ts";
import { startPgBouncer } from "../servers/pgbouncer.ts";
import type { TestDatabase } from "../servers/postgres.ts";
import { createServerDatabase, whyNoPgBouncer, whyNoPostgres } from "../servers/shared.ts";
import { temporaryFolder } from "./fresh-database.ts";

const agents = join(import.meta.dirname, "..", "..", "agents.yaml");

describeUnless((await whyNoPostgres()) ?? (await whyNoPgBouncer()), "PgBouncer before the server", () => {
  let house: House;
  let database: TestDatabase;
  const closing: (() => Promise<void>)[] = [];
  const pooler = async (mode: "session" | "transaction") => {
    const one = await startPgBouncer(mode, database.url);
    closing.unshift(() => one.close());
    return one.url;
  };
  beforeEach(async () => {
    [house, database] = await Promise.all([openHouse(), createServerDatabase("empty")]);
  });
  afterEach(async () => {
    await house.close();
    for (const close of closing.splice(0)) await close();
    await database.drop();
  });

  it("in session mode is as good as the server", async () => {
    const bot = await house.start({ POSTGRESQL_URL: await pooler("session") });
    await house.answered(house.ask("through the pooler"), "Re: through the pooler");
    expect(await (await bot.get("/health")).json()).toMatchObject({ components: { notices: { status: "healthy" } } });
  });

  it("in transaction mode is refused, with the reason and the remedy", async () => {
    const folder = await temporaryFolder();
    const { code, stderr } = await runToEnd(["--agents", agents], {
      cwd: folder.path,
      env: {
        POSTGRESQL_URL: await pooler("transaction"),
        DISCORD_TOKEN: "sim-reception-token-0000",
        DISCORD_API_URL: `${house.discord.url}/api`,
        LOG_LEVEL: "fatal",
      },
    });
    await folder.remove();
    expect(stderr).toEqual([
      expect.stringMatching(
        /^POSTGRESQL_URL: a pooler in transaction mode .*\. Name the server itself, or a pooler in session mode/,
      ),
    ]);
    expect(code).toBe(78);
    expect(house.discord.report().identifies).toBe(0);
  });
});
