import { describe, expect, test } from "vitest";
import { type Locale, localeOf, phrase, type PhraseKey, phrases } from "../../src/discord/phrases.ts";

const keys = Object.keys(phrases.en) as PhraseKey[];
const locales = Object.keys(phrases) as Locale[];
const all = locales.flatMap((locale) => keys.map((key) => ({ locale, key, text: phrases[locale][key] })));
const placeholdersIn = (text: string): string[] => [...new Set(text.match(/\{\w*\}/g))].sort();
const starting = (prefix: string) => all.filter(({ key }) => key.startsWith(prefix));

describe("what the bot itself says", () => {
  test("in every language the same texts, none of them blank, with the same placeholders", () => {
    for (const locale of locales) expect(Object.keys(phrases[locale]).sort()).toEqual([...keys].sort());
    for (const { key, text } of all) {
      expect(text.trim(), key).toBe(text);
      expect(text, key).not.toBe("");
      expect(placeholdersIn(text), key).toEqual(placeholdersIn(phrases.en[key]));
      expect(text.replaceAll(/\{[a-z]+\}/g, ""), key).not.toMatch(/[{}]/);
    }
  });

  test("Japanese is Japanese, and sentences in it are polite", () => {
    for (const key of keys) {
      expect(phrases.ja[key], key).toMatch(/[\p{sc=Hira}\p{sc=Kana}\p{sc=Han}]/u);
      expect(phrases.ja[key], key).not.toBe(phrases.en[key]);
    }
    const sentences = keys.flatMap((key) => phrases.ja[key].match(/[^。]+(?=。)/gu) ?? []);
    for (const sentence of sentences)
      expect(sentence).toMatch(/(?:です|ます|ません|ました|でした|ください)(?:（.*）)?$/u);
  });

  test("descriptions of commands and options are what Discord takes", () => {
    for (const { key, text } of [...starting("command."), ...starting("option.")]) {
      expect(text.length, key).toBeLessThanOrEqual(100);
      expect(placeholdersIn(text), key).toEqual([]);
      for (const name of key.split(".").slice(1))
        expect(name, key).toMatch(/^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$/u);
      expect(key).toBe(key.toLowerCase());
    }
    for (const { text } of starting("menu.")) expect(text).toMatch(/^\S.{0,30}\S$/u);
  });

  test("every option belongs to a command that is described, at most two words deep", () => {
    for (const { key } of starting("option."))
      expect(keys).toContain(key.replace("option.", "command.").replace(/\.[^.]+$/u, ""));
    for (const { key } of starting("command.")) {
      const path = key.split(".").slice(1);
      expect(path.length, key).toBeLessThanOrEqual(2);
      expect(keys).toContain(`command.${path[0]}`);
    }
  });

  test("buttons fit on buttons, and everything else into a message with room for what is filled in", () => {
    for (const key of ["why.button", "forget.yes", "forget.no"] as const)
      for (const locale of locales) expect(phrases[locale][key].length).toBeLessThanOrEqual(80);
    for (const { text, key } of all) expect(text.length, key).toBeLessThanOrEqual(1500);
  });

  test("no texts would ping anybody", () => {
    for (const { text } of all) expect(text).not.toMatch(/@(?:everyone|here)|<@/u);
  });
});

describe("a phrase", () => {
  test("is filled with what is given, as it is", () => {
    expect(phrase("en", "waiting", { seconds: 12, ahead: 3 })).toBe("I can answer in about 12 s (3 before you).");
    expect(phrase("ja", "error.too-long", { limit: 4000 })).toBe(
      "メッセージが長すぎます。4,000文字以内でお願いします。",
    );
    expect(phrase("en", "silent.judge", { reason: "$& {reason} $1" })).toContain("not to answer: $& {reason} $1.");
    expect(phrase("en", "thinking")).toBe("Thinking…");
  });

  test("with a value missing does not compile", () => {
    // @ts-expect-error The reference is missing.
    expect(phrase("en", "error.unknown", {})).toContain("{reference}");
    // @ts-expect-error There is no such text.
    expect(() => phrase("en", "error.known")).toThrow(TypeError);
  });

  test("is in the reader's language where the bot speaks it, and in English elsewhere", () => {
    expect(["ja", "ja-JP", "JA"].map((locale) => localeOf(locale))).toEqual(["ja", "ja", "ja"]);
    expect(["en-US", "en-GB", "de", "jav", "", null].map((locale) => localeOf(locale))).toEqual(Array(6).fill("en"));
  });
});
