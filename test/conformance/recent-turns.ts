import { beforeEach, describe, expect, it } from "vitest";
import type { RecentLine, RecentTurns } from "../../src/memory/recent-turns.ts";

const signal = new AbortController().signal;
const start = Date.parse("2026-06-01T12:00:00Z");
const hour = 3_600_000;

const line = (n: number, atMs = start): RecentLine => ({
  messageId: String(n),
  author: `"Ann" — 安\n${n}`,
  authorId: "7",
  agent: n % 2 === 0 ? "mira" : null,
  text: `line ${n} 👩‍👩‍👧 \u0000`,
  at: new Date(atMs),
});

/** What every hot memory promises; `make` keeps three lines for an hour. */
export function recentTurnsConformance(title: string, make: (now: () => number) => Promise<RecentTurns>): void {
  describe(`recent turns ${title}`, () => {
    let clock: { now: number };
    let turns: RecentTurns;
    beforeEach(async () => {
      clock = { now: start };
      turns = await make(() => clock.now);
    });

    it("know nothing of a conversation before they were told", async () => {
      expect(await turns.read("1", signal)).toBeNull();
      await turns.append("1", { before: "", after: "b" }, [line(1)], signal);
      expect(await turns.read("1", signal)).toBeNull();
    });

    it("give back what they were told, as it was, and know that there is nothing where there is", async () => {
      const lines = [line(1), line(2)];
      await turns.replace("1", { revision: "a", lines }, signal);
      expect(await turns.read("1", signal)).toEqual({ revision: "a", lines });
      expect(await turns.read("2", signal)).toBeNull();
      await turns.replace("1", { revision: "b", lines: [] }, signal);
      expect(await turns.read("1", signal)).toEqual({ revision: "b", lines: [] });
      await turns.append("1", { before: "b", after: "c" }, [line(3)], signal);
      expect(await turns.read("1", signal)).toEqual({ revision: "c", lines: [line(3)] });
      await turns.append("1", { before: "c", after: "d" }, [], signal);
      expect(await turns.read("1", signal)).toEqual({ revision: "d", lines: [line(3)] });
    });

    it("add to what they know as of the same revision, and drop what they know as of another", async () => {
      await turns.replace("1", { revision: "a", lines: [line(1), line(2)] }, signal);
      await turns.append("1", { before: "a", after: "b" }, [line(3), line(4)], signal);
      expect(await turns.read("1", signal)).toEqual({ revision: "b", lines: [line(2), line(3), line(4)] });
      await turns.append("1", { before: "elsewhere", after: "c" }, [line(5)], signal);
      expect(await turns.read("1", signal)).toBeNull();
    });

    it("leave out what is too old, and forget what is dropped", async () => {
      await turns.replace("1", { revision: "a", lines: [line(1, start - hour + 1_000), line(2)] }, signal);
      clock.now += 2_000;
      expect((await turns.read("1", signal))?.lines).toEqual([line(2)]);
      await turns.drop("1", signal);
      expect(await turns.read("1", signal)).toBeNull();
    });
  });
}
