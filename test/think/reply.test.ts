import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeReplyStream, parseReply } from "../../src/think/reply.ts";

describe("a structured reply", () => {
  it("is read whole, in a Markdown fence or without", () => {
    const raw = '{"agent":"ada","reply":"Hello"}';
    expect(parseReply(raw, () => true)).toEqual({ agent: "ada", handoff: null, text: "Hello" });
    expect(parseReply(`\`\`\`json\n${raw}\n\`\`\``, () => true)).toEqual({
      agent: "ada",
      handoff: null,
      text: "Hello",
    });
  });

  it.each([
    "",
    "Hello",
    "{",
    '{"agent":"ada"}',
    '{"agent":"ada","reply":"  "}',
    '{"agent":1,"reply":"x"}',
    "[]",
    "null",
  ])("is refused with a reason when it is %j", (raw) => expect(parseReply(raw, () => true)).toBeTypeOf("string"));

  it("streams exactly its text, however the JSON is cut into pieces", () => {
    const text = fc.string({ unit: "binary", maxLength: 60 }).map((any) => any.toWellFormed());
    fc.assert(
      fc.property(
        text,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        fc.boolean(),
        (reply, cuts, ascii) => {
          const json = JSON.stringify({ agent: "ada", reply });
          const raw = ascii
            ? json.replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
            : json;
          const stream = makeReplyStream();
          let shown = "";
          for (let at = 0, n = 0; at < raw.length; n += 1) {
            const size = cuts[n % cuts.length] ?? 1;
            const next = stream.push(raw.slice(at, at + size));
            expect(next.text.isWellFormed()).toBe(true);
            shown += next.text;
            at += size;
          }
          expect(shown).toBe(reply);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("stays silent while a hand-off is announced, because that text is nobody's answer", () => {
    const stream = makeReplyStream();
    expect(stream.push('{"agent":"ada","handoff":"bob","reply":"I am not the')).toEqual({ agent: "ada", text: "" });
  });
});
