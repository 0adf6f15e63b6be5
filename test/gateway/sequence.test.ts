import { describe, expect, it } from "vitest";
import { makeSequence } from "../../src/gateway/sequence.ts";

describe("the numbers of a session's events", () => {
  const judge = (sequence: ReturnType<typeof makeSequence>, ...numbers: readonly number[]) =>
    numbers.map((one) => sequence.judge("MESSAGE_CREATE", one));

  it("are taken in their order, from 1 on after a READY, and each once", () => {
    const sequence = makeSequence(70);
    expect(sequence.judge("READY", 1)).toBe("next");
    expect(judge(sequence, 2, 3, 3, 1, 4)).toEqual(["next", "next", "again", "again", "next"]);
    expect(sequence.connect()).toBe(4);
  });

  it("may have holes in a replay, up to its end, because RESUMED has a number that is not sent again", () => {
    const sequence = makeSequence(70);
    expect(judge(sequence, 72, 73)).toEqual(["next", "next"]);
    expect(sequence.judge("RESUMED", 75)).toBe("next");
    expect(judge(sequence, 76, 78)).toEqual(["next", "hole"]);
  });

  it("that are missing are asked for again from before the hole; the event behind it is not taken, however far ahead it is", () => {
    const sequence = makeSequence(0);
    sequence.judge("READY", 1);
    expect(judge(sequence, 2, 1_000_000, 4)).toEqual(["next", "hole", "hole"]);
    expect(sequence.connect()).toBe(2);
    expect(judge(sequence, 3, 4)).toEqual(["next", "next"]);
    expect(sequence.judge("RESUMED", 5)).toBe("next");
    expect(judge(sequence, 7)).toEqual(["hole"]);
  });

  it("that do not come then either are left out by Discord: of this session no hole is told any more, of the next one again", () => {
    const sequence = makeSequence(0);
    sequence.judge("READY", 1);
    expect(judge(sequence, 3)).toEqual(["hole"]);
    expect(sequence.connect()).toBe(1);
    expect(judge(sequence, 3)).toEqual(["next"]);
    expect(sequence.judge("RESUMED", 4)).toBe("next");
    expect(judge(sequence, 6, 9)).toEqual(["next", "next"]);
    sequence.judge("READY", 1);
    expect(judge(sequence, 3)).toEqual(["hole"]);
  });
});
