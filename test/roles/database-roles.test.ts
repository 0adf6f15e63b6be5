import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { answersIn, furnish, patience, ready, startDiscordBot } from "../failure/discord-bot.ts";
import { runToEnd, type Watched } from "../failure/process.ts";
import { describeUnless } from "../servers/databases.ts";
import { administer, startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";

const root = join(import.meta.dirname, "..", "..");
const agents = join(root, "agents.yaml");
const page = readFileSync(join(root, "docs", "operations", "database-roles.md"), "utf8");

/** The statements of one block of the page. */
function block(name: string): readonly string[] {
  const [, sql] = new RegExp(`<!-- sql: ${name} -->\n\`\`\`sql\n([^]*?)\`\`\``).exec(page) ?? [];
  if (sql === undefined) throw new Error(`the page has no block ${name}`);
  return sql.split(/;\n/).filter((statement) => statement.trim() !== "");
}

describeUnless(await whyNoOwnPostgres(), "the two roles of docs/operations/database-roles.md", () => {
  let server: PostgresServer;
  let discord: DiscordSimulator;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const running: Watched[] = [];
  const as = (user: string, password: string, database = "discord_agent") =>
    Object.assign(new URL(server.url), { username: user, password, pathname: `/${database}` }).href;
  const administrator = () => Object.assign(new URL(server.url), { pathname: "/discord_agent" }).href;
  const owner = () => as("discord_agent_owner", "replace-this-1");
  const runner = () => as("discord_agent_runner", "replace-this-2");
  const runBlock = async (url: string, name: string) => {
    for (const statement of block(name)) await administer(url, statement);
  };
  const migrate = (url: string) =>
    runToEnd([], { cwd: folder.path, env: { ROLE: "migrate", POSTGRESQL_URL: url } }).then(({ code }) => code);
  const start = async (role: "gateway" | "worker", url: string) => {
    const home = { data: folder.path, env: { POSTGRESQL_URL: url } };
    const one = startDiscordBot(discord, home, { ROLE: role });
    running.push(one);
    return one;
  };
  /** Hears and answers one message with processes of these URLs, and ends them. */
  const converse = async (url: string, words: string) => {
    const { ann, general } = furnish(discord);
    const both = await Promise.all([start("gateway", url), start("worker", url)]);
    await Promise.all(both.map(ready));
    const { world } = discord;
    const said = world.say({ channel: general, author: ann, text: `<@${world.reception.id}> ${words}` });
    await vi.waitFor(
      () => expect(answersIn(discord, general).map(({ replyTo }) => replyTo)).toEqual([said.id]),
      patience,
    );
    for (const one of both) one.kill("SIGTERM");
    expect(await Promise.all(both.map((one) => one.exited))).toEqual([0, 0]);
    expect(both.flatMap(({ log }) => log.filter(({ level }) => level === "error"))).toEqual([]);
    expect(both.map((one) => one.errors()).join("")).not.toMatch(/Postgres 42501|permission denied/);
  };
  const expectTooFewRights = async (url: string) => {
    const env = { ROLE: "worker", POSTGRESQL_URL: url, DISCORD_TOKEN: "x", LOG_LEVEL: "silent" };
    expect(await runToEnd(["--agents", agents], { cwd: folder.path, env })).toMatchObject({
      code: 78,
      stderr: [
        "POSTGRESQL_URL: the user may not read and write all tables. Have an administrator grant what docs/operations/database-roles.md names",
      ],
    });
  };
  beforeAll(async () => {
    [server, discord, folder] = await Promise.all([startPostgres(), startDiscordSimulator(), temporaryFolder()]);
    await runBlock(server.url, "server");
    await runBlock(administrator(), "database");
  });
  afterAll(async () => {
    for (const one of running) one.kill("SIGKILL");
    await Promise.all(running.map((one) => one.exited));
    await Promise.all([discord.close(), server.close(), folder.remove()]);
  });

  it("one migrates, and with the other a gateway and a worker answer", async () => {
    expect(await migrate(owner())).toBe(0);
    await converse(runner(), "is somebody there?");
    const rows = await administer(runner(), "select text from memories");
    expect(rows.length).toBeGreaterThan(0);
  });

  it("the one that runs may also forget, retain and supervise the queue", async () => {
    expect(await migrate(owner())).toBe(0);
    await administer(runner(), "delete from memories");
    expect(await administer(runner(), "select 1 from term_counts")).toEqual([]);
    const boss = new PgBoss({ connectionString: runner(), migrate: false, schedule: false, monitorVacuum: false });
    const errors: unknown[] = [];
    boss.on("error", (error) => errors.push(error));
    await boss.start();
    await boss.supervise();
    await boss.stop({ graceful: false });
    expect(errors).toEqual([]);
  });

  it("the one that runs may create, change and drop nothing, and not look elsewhere", async () => {
    expect(await migrate(owner())).toBe(0);
    await administer(administrator(), "create schema if not exists payroll");
    await administer(administrator(), "create table if not exists payroll.salaries (n int)");
    const refused = [
      "create table mine (n int)",
      "create temporary table mine (n int)",
      "create schema mine",
      "create function mine() returns int language sql as 'select 1'",
      "drop extension vector",
      "create role mine",
      "drop table turns",
      "truncate turns",
      "alter table turns add column mine int",
      "drop function bm25_query",
      "create index on turns (state)",
      "alter table turns disable trigger all",
      "create table pgboss.mine (n int)",
      "drop table pgboss.job",
      "drop schema pgboss cascade",
      "select * from payroll.salaries",
      "select * from pg_authid",
      "select pg_read_file('PG_VERSION')",
      "copy turns to program 'cat'",
      "set role discord_agent_owner",
      "alter table turns owner to discord_agent_runner",
    ];
    for (const statement of refused) {
      const code = await administer(runner(), statement).then(
        () => "allowed",
        (error: { code?: string }) => error.code,
      );
      expect([statement, code]).toEqual([statement, "42501"]);
    }
    const others = "select has_database_privilege('public', 'discord_agent', 'connect') as may";
    expect(await administer(administrator(), others)).toEqual([{ may: false }]);
  });

  it("what a later migration creates is covered", async () => {
    expect(await migrate(owner())).toBe(0);
    await administer(owner(), "create table later (id bigint generated always as identity primary key, n serial)");
    await administer(owner(), "create function later_on() returns int language sql as 'select 1'");
    expect(await administer(runner(), "insert into later default values returning n, later_on()")).toEqual([
      { n: 1, later_on: 1 },
    ]);
    await administer(owner(), "drop table later");
    await administer(owner(), "drop function later_on");
  });

  it("a role with the rights of the one that runs takes its place when its password changes", async () => {
    expect(await migrate(owner())).toBe(0);
    await runBlock(administrator(), "rotate");
    await expect(administer(runner(), "select 1")).rejects.toMatchObject({ code: "28000" });
    await converse(as("discord_agent_runner_2", "replace-this-3"), "and now?");
    await administer(administrator(), "alter role discord_agent_runner login");
  });

  it("a database that one role has run so far is opened to the other", async () => {
    const old = await server.createDatabase();
    const name = new URL(old.url).pathname.slice(1);
    await administer(old.url, "create extension vector");
    await administer(old.url, `grant create on database "${name}" to discord_agent_owner`);
    await administer(old.url, "grant usage, create on schema public to discord_agent_owner");
    expect(await migrate(as("discord_agent_owner", "replace-this-1", name))).toBe(0);
    const url = as("discord_agent_runner", "replace-this-2", name);
    await expectTooFewRights(url);
    await runBlock(old.url, "database");
    await administer(old.url, "grant select on schema_migrations to discord_agent_runner");
    await expectTooFewRights(url);
    await runBlock(old.url, "existing");
    await converse(url, "are you there?");
  });
});
