import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nearestCommand } from "../../src/terminal/commands.ts";
import { idOf, makeSeat, makeSnowflakes } from "../../src/terminal/place.ts";
import { makePaint } from "../../src/terminal/screen.ts";
import { clean, fit, splitWhole, widthOf, wrap } from "../../src/terminal/text.ts";

const anyText = fc.string({
  unit: fc.constantFrom("a", "word", " ", "\n", "猫", "。", "👩‍👩‍👧", "e\u0301", "-", "🇩🇪", "\t"),
});

const coloured = (env: Parameters<typeof makePaint>[0]): boolean => makePaint(env).bold("x") !== "x";

describe("text for a terminal", () => {
  test("no control character and no half character ever passes, whatever comes in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const cleaned = clean(`${text}\u001B[2J\u009B31m\u0000\uD800`);
        expect(cleaned).not.toMatch(/(?![\n\t])\p{Cc}/u);
        expect(cleaned.isWellFormed()).toBe(true);
      }),
    );
  });

  test("escape sequences go as a whole, and also when a stream cuts them in two", () => {
    expect(clean("a\u001B[31mred\u001B[0m\u001B]0;title\u0007b")).toBe("aredb");
    const { whole, half } = splitWhole("a\u001B[3");
    expect(clean(whole) + clean(`${half}1mb`)).toBe("ab");
    expect(splitWhole("a\uD83D")).toEqual({ whole: "a", half: "\uD83D" });
  });

  test("wrapped lines are the text again, and none is too wide", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 4, max: 30 }), (text, width) => {
        const lines = wrap(text, width);
        expect(lines.join("")).toBe(text);
        // A line of spaces alone may stick out: it is trimmed when shown.
        for (const line of lines) expect(widthOf(line.trimEnd())).toBeLessThanOrEqual(Math.max(width, 2));
      }),
    );
  });

  test("lines break between words and between wide characters, never before closing punctuation", () => {
    expect(wrap("the quick brown fox", 10)).toEqual(["the quick ", "brown fox"]);
    expect(wrap("abcdefghijklmno", 10)).toEqual(["abcdefghij", "klmno"]);
    expect(wrap("猫が好き。", 8)).toEqual(["猫が好", "き。"]);
  });

  test("wide characters count two, marks none", () => {
    expect([widthOf("abc"), widthOf("猫"), widthOf("👩‍👩‍👧"), widthOf("e\u0301"), widthOf("ｶﾞ")]).toEqual([3, 2, 2, 1, 2]);
    expect(fit("a longer line", 8)).toBe("a longe…");
  });

  test("NO_COLOR and a dumb terminal take colour away, FORCE_COLOR brings it back", () => {
    expect([coloured({}), coloured({ NO_COLOR: "1" }), coloured({ TERM: "dumb" })]).toEqual([true, false, false]);
    expect([coloured({ NO_COLOR: "1", FORCE_COLOR: "1" }), coloured({ FORCE_COLOR: "0" })]).toEqual([true, false]);
    const paint = makePaint({});
    expect(paint.agent("Ada")).toBe(paint.agent("Ada"));
    expect(paint.agent("Ada", "x")).not.toBe(paint.agent("Bo", "x"));
  });
});

describe("where the person at the terminal sits", () => {
  test("ids of messages grow strictly, even when the clock goes back", () => {
    const clock = [5_000, 5_000, 4_000, 5_001, 5_000].map((ms) => new Date(1_500_000_000_000 + ms));
    const next = makeSnowflakes(() => clock.shift() ?? new Date());
    const made = [next(), next(), next(), next(), next()].map(BigInt);
    expect(made.every((id, at) => at === 0 || id > (made[at - 1] ?? 0n))).toBe(true);
  });

  test("ids of names are the same in every run, fit a Postgres bigint and keep kinds apart", () => {
    expect(idOf("author", "Mia")).toBe(idOf("author", "mia"));
    expect(idOf("author", "mia")).not.toBe(idOf("channel", "mia"));
    fc.assert(
      fc.property(fc.string(), (name) => {
        const id = BigInt(idOf("channel", name));
        expect(id > 0n && id < 2n ** 63n).toBe(true);
      }),
    );
  });

  test("names are checked before they are taken", () => {
    const seat = makeSeat({ author: "you", locale: null, now: () => new Date() });
    expect([seat.become("Mia"), seat.enter("#garden")]).toEqual([null, null]);
    for (const bad of ["", "x".repeat(33), "a\u0007b", "a\nb", "\uD800"]) expect(seat.become(bad)).toMatch(/name/u);
    expect([seat.author, seat.channel]).toEqual(["Mia", "garden"]);
    expect(seat.envelope(" \u0000 ")).toBeNull();
  });

  test("an unknown command is told the nearest one, and nothing when none is near", () => {
    expect(["hepl", "agnets", "memroy", "forgt", "chanel"].map((word) => nearestCommand(word))).toEqual([
      "help",
      "agents",
      "memory",
      "forget",
      "channel",
    ]);
    expect(["xyzzy", "", "home/me"].map((word) => nearestCommand(word))).toEqual([null, null, null]);
  });
});
