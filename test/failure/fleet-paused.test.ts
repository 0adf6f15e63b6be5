import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { idle, openFleet, type Fleet } from "./fleet.ts";

const reply = Array.from({ length: 40 }, (_, n) => `Sentence ${n} of a story about a cat.`).join(" ");
const slow = { firstTokenMs: 3_200, chunkMs: 120 };

describeUnless(await whyNoOwnPostgres(), "a worker that stands still while it shows an answer in the making", () => {
  let postgres: PostgresServer;
  let fleet: Fleet;
  beforeEach(async () => {
    postgres = await startPostgres();
    fleet = await openFleet({ postgres: (await postgres.createDatabase()).url, redis: null });
    await fleet.migrate();
  });
  afterEach(async () => {
    await fleet.close();
    await postgres.close();
  });
  const said = () => answersIn(fleet.discord, fleet.channel).map(({ content }) => content);
  const eventually = (isThere: (text: string) => boolean) =>
    vi.waitFor(() => expect(said().map(isThere)).toEqual([true]), patience);
  const isWhole = (text: string) => text.endsWith("Sentence 39 of a story about a cat.");
  const isUnfinished = (text: string) => text.endsWith(" …");

  it("leaves the answer that another has given meanwhile as it is", async () => {
    await fleet.start("gateway");
    const first = await fleet.start("worker");
    fleet.gemini.script({ on: "generate", times: null, reply: { agent: "mira", reply }, ...slow });
    fleet.ask(1);
    await eventually(isUnfinished);
    first.kill("SIGSTOP");
    await fleet.start("worker");
    await eventually(isWhole);
    first.kill("SIGCONT");
    await idle(first);
    expect(said().map(isWhole)).toEqual([true]);
  });

  it("in the middle of a call makes good what that has written over", async () => {
    await fleet.start("gateway");
    const first = await fleet.start("worker");
    fleet.gemini.script({ on: "generate", times: null, reply: { agent: "mira", reply }, ...slow });
    fleet.ask(1);
    await eventually(isUnfinished);
    const { faults } = fleet.discord;
    faults.add({ on: "rest", fault: "delay", method: "PATCH", delayMs: null });
    await vi.waitFor(() => expect(faults.pending()).toEqual([]), patience);
    first.kill("SIGSTOP");
    // What the other one has said is seen before it can note that it has.
    const last = { on: "rest", method: "PATCH", when: "Sentence 39", times: null } as const;
    faults.add({ ...last, fault: "act-then-delay", delayMs: 4_000 });
    await fleet.start("worker");
    await eventually(isWhole);
    expect(faults.release()).toBe(1);
    await eventually(isUnfinished);
    first.kill("SIGCONT");
    await eventually(isWhole);
    await idle(first);
    expect(said().map(isWhole)).toEqual([true]);
  });
});
