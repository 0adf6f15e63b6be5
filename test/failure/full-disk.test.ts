import { mkdir, chown } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { openPostgres } from "../../src/connections/postgres.ts";
import { openServerDatabase, temporaryFolder } from "../connections/fresh-database.ts";
import { shapeOf } from "../connections/schema-shape.ts";
import { describeUnless } from "../servers/databases.ts";
import { administer, startPostgres } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { openSmallDisk, whyNoSmallDisk } from "../servers/small-disk.ts";
import { openHouse } from "./discord-house.ts";
import { runToEnd } from "./process.ts";

const patience = { timeout: 60_000, interval: 50 };
const nobody = 65_534;

describeUnless((await whyNoOwnPostgres()) ?? (await whyNoSmallDisk()), "a Postgres whose disk is full", () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A server with a database on a small disk of its own, which can be filled up. */
  const openSmallDatabase = async () => {
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
    return {
      url,
      fill: async () => {
        await administer(url, "create table filler (what text)");
        const more = () => administer(url, "insert into filler select repeat('x', 900) from generate_series(1, 1000)");
        const fillUp = async () => {
          for (;;) await more();
        };
        await expect(fillUp()).rejects.toMatchObject({ code: "53100" });
        // The last free bytes of pages that are there already.
        await administer(url, "insert into filler select 'x' from generate_series(1, 100)").catch(() => {});
      },
      makeRoom: () => administer(url, "drop table filler"),
    };
  };

  it("is named in one sentence; what is said meanwhile is answered once when there is room again", async () => {
    const { url, fill, makeRoom } = await openSmallDatabase();
    const house = await openHouse();
    closing.unshift(() => house.close());
    const bot = await house.start({ POSTGRESQL_URL: url });
    const before = house.ask("before");
    await house.answered(before, "before");
    await fill();

    const asked = Array.from({ length: 20 }, (_, n) => house.ask(`meanwhile ${n}${" very".repeat(300)}`));
    await vi.waitFor(() => expect(bot.errors()).toContain("database_disk_full"), patience);
    expect((await bot.get("/health/live")).status).toBe(200);

    await makeRoom();
    for (const [n, one] of asked.entries()) await house.answered(one, `Re: meanwhile ${n} very`);
    expect(bot.errors()).not.toContain("unhandled");
  });

  it("ends a migration with one sentence and its remedy; with room again the next one completes the schema", async () => {
    const { url, fill, makeRoom } = await openSmallDatabase();
    await fill();
    const folder = await temporaryFolder();
    closing.unshift(folder.remove);
    const migrate = () => runToEnd([], { cwd: folder.path, env: { POSTGRESQL_URL: url, ROLE: "migrate" } });
    const { code, stderr } = await migrate();
    const fatal = stderr.map((line) => JSON.parse(line) as { level: string }).filter(({ level }) => level === "fatal");
    const msg = expect.stringMatching(/could not start: The disk .* is full: enlarge it, or make room/) as string;
    expect([code, fatal]).toMatchObject([1, [{ code: "database_disk_full", msg }]]);

    await makeRoom();
    expect(await migrate()).toMatchObject({ code: 0 });
    const database = await openPostgres({ url, poolMin: 0, poolMax: 1, onIdleError: () => {} });
    closing.unshift(() => database.close());
    const fresh = await openServerDatabase();
    closing.unshift(() => fresh.close());
    expect(await shapeOf(database)).toEqual(await shapeOf(fresh));
  });
});
