import { mkdir, chown } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { administer, startPostgres } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { openSmallDisk, whyNoSmallDisk } from "../servers/small-disk.ts";
import { openHouse } from "./discord-house.ts";

const patience = { timeout: 60_000, interval: 50 };
const nobody = 65_534;

describeUnless((await whyNoOwnPostgres()) ?? (await whyNoSmallDisk()), "a Postgres whose disk is full", () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it("is named in one sentence; what is said meanwhile is answered once when there is room again", async () => {
    const disk = await openSmallDisk(64);
    closing.unshift(disk.remove);
    const server = await startPostgres();
    closing.unshift(() => server.close());
    const { url } = await server.createDatabase();
    const space = join(disk.path, "space");
    await mkdir(space);
    await chown(space, nobody, nobody);
    await administer(server.url, `create tablespace small location '${space}'`);
    await administer(server.url, `alter database "${new URL(url).pathname.slice(1)}" set tablespace small`);
    const house = await openHouse();
    closing.unshift(() => house.close());
    const bot = await house.start({ POSTGRESQL_URL: url });
    const before = house.ask("before");
    await house.answered(before, "before");

    await administer(url, "create table filler (what text)");
    const fill = () => administer(url, "insert into filler select repeat('x', 900) from generate_series(1, 1000)");
    const fillUp = async () => {
      for (;;) await fill();
    };
    await expect(fillUp()).rejects.toMatchObject({ code: "53100" });
    // The last free bytes of pages that are there already.
    await administer(url, "insert into filler select 'x' from generate_series(1, 100)").catch(() => {});

    const asked = Array.from({ length: 20 }, (_, n) => house.ask(`meanwhile ${n}${" very".repeat(300)}`));
    await vi.waitFor(() => expect(bot.errors()).toContain("database_disk_full"), patience);
    expect((await bot.get("/health/live")).status).toBe(200);

    await administer(url, "drop table filler");
    for (const [n, one] of asked.entries()) await house.answered(one, `Re: meanwhile ${n} very`);
    expect(bot.errors()).not.toContain("unhandled");
  });
});
