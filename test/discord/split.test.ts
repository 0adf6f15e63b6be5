import { describe, expect, test } from "vitest";
import { splitText } from "../../src/discord/split.ts";

const x = (length: number): string => "x".repeat(length);
const split = (text: string, limit: number): readonly string[] => splitText(text, { limit, parts: 100 }).parts;

describe("where a text is split", () => {
  test("between paragraphs rather than lines, lines rather than sentences, sentences rather than words", () => {
    expect(split("One. Two.\nThree.\n\nFour. Five.\nSix, seven and eight.", 40)).toEqual([
      "One. Two.\nThree.",
      "Four. Five.\nSix, seven and eight.",
    ]);
    expect(split("One two three. Four five.\nSix seven eight nine ten.", 40)).toEqual([
      "One two three. Four five.",
      "Six seven eight nine ten.",
    ]);
    expect(split("One two three four. Five six seven eight nine.", 40)).toEqual([
      "One two three four.",
      "Five six seven eight nine.",
    ]);
    expect(split("One two three four five six seven eight nine", 20)).toEqual([
      "One two three four",
      "five six seven eight",
      "nine",
    ]);
  });

  test("items stay whole with what is nested in them, and table rows too", () => {
    expect(split("- the first item\n- second item\n  - nested\n  - nested too\n- third", 40)).toEqual([
      "- the first item",
      "- second item\n  - nested\n  - nested too",
      "- third",
    ]);
    const head = "| a | b |\n|---|---|";
    expect(split(`${head}\n| one | 1 |\n| two | 2 |\n| three | 3 |`, 45)).toEqual([
      `${head}\n| one | 1 |\n| two | 2 |`,
      "| three | 3 |",
    ]);
    expect(split(`An introduction to it.\n${head}\n| one | 1 |`, 40)).toEqual([
      "An introduction to it.",
      `${head}\n| one | 1 |`,
    ]);
  });

  test("a heading goes with what it heads, and code with the line that announces it", () => {
    expect(split("Some text before.\n\n## Heading\n\nThe text below it.", 40)).toEqual([
      "Some text before.",
      "## Heading\n\nThe text below it.",
    ]);
    expect(split("Some text before it.\nRun:\n```\nnpm ci\nnpm test\n```", 45)).toEqual([
      "Some text before it.",
      "Run:\n```\nnpm ci\nnpm test\n```",
    ]);
  });

  test("Japanese at sentences, then commas, then where a word begins; never before closing punctuation", () => {
    expect(split("今日は東京に行きました。とても楽しい一日でした。", 20)).toEqual([
      "今日は東京に行きました。",
      "とても楽しい一日でした。",
    ]);
    expect(split("駅前の喫茶店で友達と会い、長い時間いろいろな話をした", 20)).toEqual([
      "駅前の喫茶店で友達と会い、",
      "長い時間いろいろな話をした",
    ]);
    expect(split("東京の美術館で絵画を鑑賞する」", 14)).toEqual(["東京の美術館で絵画を", "鑑賞する」"]);
  });

  test("links, inline code and bold text stay whole where there is another place", () => {
    const link = "https://example.com/a/long/path";
    expect(split(`Look at ${link} or not`, 34)).toEqual(["Look at", `${link} or`, "not"]);
    expect(split("Now you run `npm ci --omit dev` there.", 28)).toEqual(["Now you run", "`npm ci --omit dev` there."]);
    expect(split("This is the **one very important** thing", 30)).toEqual([
      "This is the",
      "**one very important** thing",
    ]);
  });

  test("a character as people see it is cut only when it alone is too long, and never into half code points", () => {
    const family = "👩‍👩‍👧‍👦";
    expect(split(family.repeat(4), 30)).toEqual([family.repeat(2), family.repeat(2)]);
    expect(split("👍🏽".repeat(6), 10)).toEqual(["👍🏽👍🏽", "👍🏽👍🏽", "👍🏽👍🏽"]);
    expect(split("👩‍".repeat(20), 16).every((part) => part.isWellFormed())).toBe(true);
    expect(split(`ab${"e\u0301".repeat(8)}`, 9)).toEqual([`ab${"e\u0301".repeat(3)}`, "e\u0301".repeat(4), "e\u0301"]);
  });
});

describe("code across messages", () => {
  test("a fence is closed and opened again with its language, however long it is and whatever it is in", () => {
    const code = ["const one = 1;", "const two = 2;", "const three = 3;"];
    expect(split(["```ts", ...code, "```"].join("\n"), 45)).toEqual([
      "```ts\nconst one = 1;\nconst two = 2;\n```",
      "```ts\nconst three = 3;\n```",
    ]);
    expect(split(["~~~~ts title", ...code, "~~~~~"].join("\r\n"), 61)).toEqual([
      "~~~~ts title\r\nconst one = 1;\r\nconst two = 2;\n~~~~",
      "~~~~ts\nconst three = 3;\r\n~~~~~",
    ]);
    expect(split(["> ```ts", ...code.map((each) => `> ${each}`), "> ```"].join("\n"), 55)).toEqual([
      "> ```ts\n> const one = 1;\n> const two = 2;\n> ```",
      "> ```ts\n> const three = 3;\n> ```",
    ]);
    expect(split(["1. ```ts", ...code.map((each) => `   ${each}`), "   ```"].join("\n"), 55)).toEqual([
      "1. ```ts\n   const one = 1;\n   const two = 2;\n```",
      "```ts\n   const three = 3;\n   ```",
    ]);
  });

  test("code that fits into one part is not cut, a long line of it is, and its white space is kept", () => {
    const fenced = "```\na = 1\nb = 2\nc = 3\n```";
    expect(split(`Some words before the code.\n\n${fenced}`, 45)).toEqual(["Some words before the code.", fenced]);
    expect(split(`\`\`\`\n    ${x(20)}  ${x(20)}\n\n\n  ${x(12)}\n\`\`\``, 40)).toEqual([
      `\`\`\`\n    ${x(20)}  \n\`\`\``,
      `\`\`\`\n${x(20)}\n\n\n\`\`\``,
      `\`\`\`\n  ${x(12)}\n\`\`\``,
    ]);
  });

  test("a fence is not opened at the end of a part with nothing in it", () => {
    expect(split("Some text\n```js\naaa bbb ccc ddd eee fff ggg\n```", 40)).toEqual([
      "Some text\n```js\naaa bbb ccc ddd eee \n```",
      "```js\nfff ggg\n```",
    ]);
  });

  test("a fence that the text leaves open is closed once the text is split", () => {
    expect(split("```js\nlet a = 1;\nlet b = 2;", 26)).toEqual(["```js\nlet a = 1;\n```", "```js\nlet b = 2;\n```"]);
    expect(split("```js\nlet a = 1;", 26)).toEqual(["```js\nlet a = 1;"]);
  });

  test("inline code of three backticks and fences inside longer ones open nothing", () => {
    expect(split(`\`\`\`not a fence\`\`\` ${x(20)}\n${x(30)}`, 50)).toEqual([
      `\`\`\`not a fence\`\`\` ${x(20)}`,
      x(30),
    ]);
    expect(split(`\`\`\`\`md\n\`\`\`\n${x(20)}\n\`\`\`\n${x(20)}\n\`\`\`\``, 45)).toEqual([
      `\`\`\`\`md\n\`\`\`\n${x(20)}\n\`\`\`\n\`\`\`\``,
      `\`\`\`\`md\n${x(20)}\n\`\`\`\``,
    ]);
  });
});

describe("how many messages a text takes", () => {
  test("up to five of 2,000 units; more is a file and the first part", () => {
    const paragraph = `${"word ".repeat(398)}word.`;
    expect(splitText(Array(5).fill(paragraph).join("\n\n"))).toEqual({ parts: Array(5).fill(paragraph), file: null });
    const long = Array(6).fill(paragraph).join("\n\n");
    expect(splitText(long)).toEqual({ parts: [paragraph], file: long });
  });

  test("parts are filled up rather than sent as a file", () => {
    const text = Array(12).fill("word ".repeat(149).trim()).join("\n\n");
    expect(splitText(text, { parts: 100 }).parts).toHaveLength(6);
    expect(splitText(text).parts).toHaveLength(5);
  });
});
