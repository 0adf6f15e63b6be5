import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Progress } from "../../src/chat/chat.ts";
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
