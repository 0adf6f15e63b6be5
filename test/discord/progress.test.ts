import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Progress } from "../../src/chat/chat.ts";
import { DiscordRefused } from "../../src/discord/failures.ts";
import { ProgressShow } from "../../src/discord/progress.ts";
import { envelope } from "../inbox/envelopes.ts";

describe("a slow answer as it is written", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("holds nothing of an agent that has handed it over", async () => {
    const said: [string, string][] = [];
    const show = new ProgressShow({
      say: async (_, agent, text) => void said.push([agent, text]),
      restore: async () => {},
      type: async () => {},
      isOver: async () => false,
      log: pino({ enabled: false }),
    });
    const write = async (agent: string, delta: string) => {
      show.show(envelope(1), { kind: "text", agent, delta } satisfies Progress);
      await vi.advanceTimersByTimeAsync(2_000);
    };
    show.show(envelope(1), { kind: "thinking" });
    await vi.advanceTimersByTimeAsync(4_000);
    await write("mira", "This is a question for somebody else, I think.");
    await write("teo", "And I am the one who knows");
    await write("teo", " about such things.");
    expect(said).toEqual([
      ["mira", "This is a question for somebody else, I think. …"],
      ["teo", "And I am the one who knows …"],
      ["teo", "And I am the one who knows about such things. …"],
    ]);
    await show.stop();
  });
});

describe("an answer that is put off", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A show that notes what it says and counts what each sign costs; `refuse` makes Discord refuse all that is said. */
  const open = () => {
    const seen = { said: [] as string[], typed: 0, looked: 0, refuse: false };
    const show = new ProgressShow({
      say: async (_, __, text) => {
        if (seen.refuse) throw new DiscordRefused(50_013, "Missing Permissions");
        seen.said.push(text);
      },
      restore: async () => {},
      type: async () => void (seen.typed += 1),
      isOver: async () => {
        seen.looked += 1;
        return false;
      },
      log: pino({ enabled: false }),
    });
    return { seen, show };
  };
  const deferred = { kind: "deferred", untilMs: 3_600_000, sentence: "" } as const satisfies Progress;
  const minutes = (count: number) => vi.advanceTimersByTimeAsync(count * 60_000);

  it("is shown no more and costs nothing more, and who did not call is told nothing", async () => {
    const { seen, show } = open();
    const ambient = { ...envelope(1), addressed: false };
    show.show(ambient, { kind: "thinking" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seen).toMatchObject({ typed: 1, looked: 1 });
    show.show(ambient, deferred);
    await minutes(14);
    expect(seen).toEqual({ said: [], typed: 1, looked: 1, refuse: false });
    expect(await show.finish(ambient.messageId)).toBeNull();
  });

  it("is told who called, and then shown no more", async () => {
    const { seen, show } = open();
    show.show(envelope(1), { kind: "thinking" });
    await vi.advanceTimersByTimeAsync(1_000);
    show.show(envelope(1), deferred);
    await minutes(14);
    expect(seen).toMatchObject({ said: [expect.stringContaining("<t:3600:T>")], typed: 1 });
    expect(await show.finish("1")).toBeNull();
  });

  it("is forgotten also where Discord lets nothing be said", async () => {
    const { seen, show } = open();
    seen.refuse = true;
    show.show(envelope(1), { kind: "waiting", waitMs: 10_000, ahead: 3 });
    await vi.advanceTimersByTimeAsync(5_000);
    show.show(envelope(1), deferred);
    await minutes(14);
    expect(await show.finish("1")).toBeNull();
  });
});
