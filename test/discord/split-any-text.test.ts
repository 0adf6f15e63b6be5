import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitText } from "../../src/discord/split.ts";
import { isBalanced, joinParts } from "./split-oracle.ts";

const word = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom("cat", "memory", "of", "a", "Discord", "it's", "3.14", "(see", "below)", "end."),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom("`inline code`", "**very bold**", "[a link](https://example.com/a)", "<@123>"),
  },
  { weight: 2, arbitrary: fc.constantFrom("👩‍👩‍👧‍👦", "e\u0301\u0323", "🇩🇪🇯🇵", "👍🏽", "\u0301", "नमस्ते", "ก็") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("猫が好きです。", "今日は東京に行きました、そして「はい」と言った。", "한국어"),
  },
  { weight: 1, arbitrary: fc.integer({ min: 20, max: 500 }).map((length) => "x".repeat(length)) },
  { weight: 1, arbitrary: fc.constantFrom("\uD83D", "\uDE00", "```", "~~~", "`", ">", "\u2028", "\u00A0", "a\u200Db") },
  { weight: 1, arbitrary: fc.constantFrom("\u0301".repeat(90), "👩‍".repeat(60), " ".repeat(9), "\t") },
);
const line = fc.array(word, { minLength: 1, maxLength: 25 }).map((words) => words.join(" "));
const japanese = fc.array(fc.constantFrom("猫が", "好きです。", "東京へ", "「ねえ」", "ロボット"), { maxLength: 60 });
const lines = (prefix: string) => fc.array(line, { maxLength: 6 }).map((all) => all.map((each) => prefix + each));
const codeLine = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom("", "const a = 1;", "  return x;", "}", "    # deep", "\treturn", "> quoted", "- item"),
  },
  { weight: 2, arbitrary: line },
  { weight: 1, arbitrary: fc.constantFrom("~~~", "``", "`````", "````js", " ".repeat(9)) },
);
const fence = fc
  .record({
    run: fc.constantFrom("```", "~~~", "````"),
    info: fc.constantFrom("", "js", "c++ title=x", " py  "),
    code: fc.array(codeLine, { maxLength: 30 }),
    prefix: fc.constantFrom("", "", "", "> ", "  ", "> > "),
    item: fc.constantFrom("", "", "- ", "12. "),
    end: fc.constantFrom("", "", "", "  ", "`", "missing", " ".repeat(9)),
  })
  .map(({ run, info, code, prefix, item, end }) => {
    const close =
      end === "missing" ? [] : [end.startsWith(" ") ? end + prefix + run : prefix + run + (run[0] === end ? end : "")];
    return [prefix + item + run + info, ...code.map((each) => prefix + each), ...close];
  });
const block = fc.oneof(
  { weight: 3, arbitrary: line.map((text) => [text]) },
  { weight: 3, arbitrary: fence },
  lines("- "),
  lines("  1. "),
  lines("> "),
  japanese.map((all) => [all.join("")]),
  fc.constantFrom(["# Heading"], ["### Table of costs:"], ["---"], [""], ["  ", ""]),
  fc.array(line, { maxLength: 8 }).map((rows) => ["| a | b |", "|---|---|", ...rows.map((row) => `| ${row} | 2 |`)]),
);
const markdown = fc
  .record({
    blocks: fc.array(block, { minLength: 1, maxLength: 8 }),
    newline: fc.constantFrom("\n", "\n", "\r\n"),
    between: fc.constantFrom(1, 2, 2, 3),
    around: fc.constantFrom("", "", "\n\n", "   "),
  })
  .map(({ blocks, newline, between, around }) => {
    const text = blocks.map((all) => all.join(newline)).join(newline.repeat(between));
    return around + text + around;
  });
const soup = fc.string({
  unit: fc.constantFrom(
    "```",
    "~~~",
    "`",
    "~",
    "\n",
    "\r\n",
    "\r",
    "> ",
    ">",
    "- ",
    " ",
    "   ",
    "a",
    "word ",
    "js",
    "猫。",
    "\u0301",
    "👩‍👧",
    "\uD83D",
  ),
  minLength: 60,
  maxLength: 300,
  size: "large",
});

const edgesOf = (text: string): number[] => {
  const segments = new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text);
  return [...segments].map(({ index }) => index).concat(text.length);
};
const loneIn = (text: string): number => text.match(/\p{Cs}/gu)?.length ?? 0;

/** Everything in these parts that breaks what `splitText` promises, one sentence each. */
function faultsOf(parts: readonly string[], text: string, limit: number, isWhole: boolean): string[] {
  const faults: string[] = [];
  for (const part of parts) {
    if (part.length > limit) faults.push(`${part.length} units: ${part}`);
    if (part.trim() === "") faults.push("a blank part");
    if (!isBalanced(part, limit)) faults.push(`a fence is left open: ${part}`);
  }
  const { spans, missing } = joinParts(parts, text, limit);
  if (isWhole && missing !== "") faults.push(`missing: ${missing}`);
  const edges = edgesOf(text);
  for (const at of spans.flat()) {
    const after = edges.find((edge) => edge >= at) ?? text.length;
    const before = edges.findLast((edge) => edge <= at) ?? 0;
    const isTooLong = after - before > (limit * 2) / 5;
    if (after !== before && !isTooLong) faults.push(`a character is cut: ${text.slice(before, after)}`);
  }
  const lone = parts.reduce((sum, part) => sum + loneIn(part), 0);
  if (lone > loneIn(text)) faults.push("half a character");
  return faults;
}

describe("a long text as messages", () => {
  test.each([
    ["Markdown", markdown],
    ["soup", soup],
  ])("%s: every part is one that Discord takes, and together they are the text", (_, texts) => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 40, max: 300 }), (text, limit) => {
        fc.pre(text.length > limit && text.trim() !== "");
        const { parts, file } = splitText(text, { limit, parts: 1000 });
        expect([file, ...faultsOf(parts, text, limit, true)]).toEqual([null]);
      }),
      { numRuns: 3000 },
    );
  });

  test("text that fits is one part as it is, and a blank one is none", () => {
    fc.assert(
      fc.property(markdown, (text) => {
        const parts = text.trim() === "" ? [] : [text];
        expect(splitText(text, { limit: text.length })).toEqual({ parts, file: null });
      }),
    );
  });

  test("no more parts than allowed: else the first alone, and the whole text as a file", () => {
    const outcomes = { parts: 0, file: 0 };
    fc.assert(
      fc.property(markdown, fc.integer({ min: 60, max: 300 }), fc.integer({ min: 1, max: 5 }), (text, limit, most) => {
        fc.pre(text.length > limit && text.trim() !== "");
        const { parts, file } = splitText(text, { limit, parts: most });
        outcomes[file === null ? "parts" : "file"] += 1;
        expect(faultsOf(parts, text, limit, file === null)).toEqual([]);
        expect(parts.length).toBeLessThanOrEqual(file === null ? most : 1);
        expect(file ?? text).toBe(text);
      }),
      { numRuns: 1000 },
    );
    expect(Math.min(outcomes.parts, outcomes.file)).toBeGreaterThan(100);
  });
});
