import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fatalCodes } from "../../src/gateway/close-codes.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "discord.md"), "utf8");

describe("docs/discord.md", () => {
  it.each(Object.entries(fatalCodes))("says of close code %s what it says and what to do", (code, sentence) => {
    const row = page.split("\n").find((line) => line.startsWith("|") && line.includes(code));
    expect(row, `no row of the table has ${code}`).toBeDefined();
    const said = [...(row ?? "").matchAll(/`([^`]+)`/g)].map(([, words = ""]) => words);
    expect(said.filter((words) => sentence.includes(words))).not.toEqual([]);
  });
});
