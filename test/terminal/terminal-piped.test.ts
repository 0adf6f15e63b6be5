import { setTimeout as sleep } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Reply } from "../../src/chat/chat.ts";
import type { Envelope } from "../../src/envelope.ts";
import { makeFakeBacking, replyTo } from "./fake-backing.ts";
import { never, openFake, until } from "./fake-screen.ts";

/** A piped terminal that is started, with everybody answering `answer` at once unless told otherwise. */
async function pipe(
  over: Parameters<typeof openFake>[0] = {},
  answer: ((envelope: Envelope) => Partial<Reply> | null) | null = null,
) {
  const fake = openFake({ tty: false, ...over });
  const failures: unknown[] = [];
  const behind = makeFakeBacking((envelope) => {
    const reply = answer === null ? {} : answer(envelope);
    if (reply === null) return;
    fake.terminal
      .speak({ ...replyTo(envelope, `heard ${envelope.text}`), ...reply }, never)
      .catch((error: unknown) => failures.push(error));
  });
  fake.terminal.open();
  fake.terminal.connect(behind.backing);
  await fake.terminal.start(never, (error) => failures.push(error));
  return { ...fake, ...behind, failures };
}

describe("a piped terminal", () => {
  test("answers each line as `Name: text`, and is done at the end of the input", async () => {
    const { input, written, calls, logged } = await pipe();
    input.end("first\r\n\n   \nsecond\n//slash\nlast without newline");
    await until(() => calls.done === 1, "done");
    expect(written()).toBe("Ada: heard first\nAda: heard second\nAda: heard /slash\nAda: heard last without newline\n");
    expect(logged).toEqual([]);
  });

  test("lines of one answer stay together and nothing in it commands a terminal", async () => {
    const { input, written, calls } = await pipe({}, () => ({
      text: "one\n\u001B[2Jtwo\u0007\r\nthree",
      redelivered: true,
    }));
    input.end("x\n");
    await until(() => calls.done === 1, "done");
    expect(written()).toBe("Ada: (shown again after a crash) one\n  two\n  three\n");
  });

  test("with json every answer is one object with its receipt, an apology one without", async () => {
    const { input, written, calls, heard } = await pipe({ json: true }, ({ text }) =>
      text === "b" ? { receipt: null, text: "c\u009B\n" } : {},
    );
    input.end("a\nb\n");
    await until(() => calls.done === 1, "done");
    const [first = "", second = ""] = written().split("\n");
    expect(JSON.parse(first)).toEqual({
      messageId: heard[0]?.messageId,
      agent: "ada",
      text: "heard a",
      memories: [{ id: "101", score: 0.824 }],
      model: "offline",
      promptRevision: "3f2a9c",
      tokens: { inputTokens: 812, outputTokens: 40, cachedTokens: 512 },
      stageMs: { queued: 2.2, route: 0.4, model: 210 },
      redelivered: false,
    });
    expect(JSON.parse(second)).toMatchObject({
      agent: null,
      memories: [],
      model: null,
      tokens: null,
      text: "c\u009B\n",
    });
    expect(second).not.toContain("\u009B");
  });

  test("a line over the limit is refused by number, never by text, and the next one is answered", async () => {
    const { input, written, calls, logged } = await pipe();
    input.write("y".repeat(201));
    input.write(`\n${"z".repeat(100_000)}`);
    input.end(`\nshort\n${"w".repeat(3_000)}`);
    await until(() => calls.done === 1, "done");
    expect(written()).toBe("Ada: heard short\n");
    expect(logged.map(({ level, line, maxMessageChars }) => [level, line, maxMessageChars])).toEqual(
      [1, 2, 4].map((line) => [50, line, 200]),
    );
    expect(JSON.stringify(logged)).not.toMatch(/yyy|zzz|www/u);
  });

  test("invalid UTF-8 becomes U+FFFD, and characters may be split between chunks", async () => {
    const { input, heard, calls } = await pipe();
    const cat = Buffer.from("猫\n");
    input.write(cat.subarray(0, 1));
    await sleep(5);
    input.write(cat.subarray(1));
    input.end(Buffer.from([0x61, 0xff, 0x62, 0x00, 0x0a]));
    await until(() => calls.done === 1, "done");
    expect(heard.map(({ text }) => text)).toEqual(["猫", "a\uFFFDb"]);
  });

  test("after the input ended it waits for every answer and for the inbox", async () => {
    const waiting: Envelope[] = [];
    const { terminal, input, calls, backing } = await pipe({}, (envelope) => (waiting.push(envelope), null));
    const inbox = Promise.withResolvers<void>();
    Object.assign(backing, { drained: async () => await inbox.promise });
    input.end("a\nb\n");
    await until(() => waiting.length === 2, "heard");
    const [a, b] = waiting as [Envelope, Envelope];
    await terminal.speak(replyTo(a, "x"), never);
    await sleep(20);
    expect(calls.done).toBe(0);
    terminal.show(b, { kind: "ignored", reason: "a bot" });
    await sleep(20);
    expect(calls.done).toBe(0);
    inbox.resolve();
    await until(() => calls.done === 1, "done");
  });

  test("no more than 64 lines are taken before some are answered", async () => {
    const waiting: Envelope[] = [];
    const { terminal, input, heard } = await pipe({}, (envelope) => (waiting.push(envelope), null));
    input.end("x\n".repeat(100));
    await until(() => heard.length === 64, "64 heard");
    await sleep(20);
    expect(heard).toHaveLength(64);
    await terminal.speak(replyTo(waiting[0] as Envelope, "x"), never);
    await until(() => heard.length === 65, "one more heard");
    await terminal.stop(never);
  });

  test("a reader that goes away ends it quietly, and the answer does not count as spoken", async () => {
    const { input, output, failures, calls, logged } = await pipe();
    output.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    input.write("x\n");
    await until(() => failures.length === 1, "refused");
    expect(failures[0]).toMatchObject({ code: "reader_gone", disposition: { kind: "retry" } });
    expect([calls.done, logged]).toEqual([1, []]);
  });

  test("what cannot be kept is said, and the rest goes on", async () => {
    const { input, backing, calls, logged, written } = await pipe();
    const { hear } = backing;
    Object.assign(backing, {
      hear: async (envelope: Envelope) => {
        if (envelope.text === "bad") throw new Error("no room");
        return await hear(envelope, never);
      },
    });
    input.end("bad\ngood\n");
    await until(() => calls.done === 1, "done");
    expect(logged).toMatchObject([{ level: 50, line: 1, msg: "a line could not be kept and will not be answered" }]);
    expect(written()).toBe("Ada: heard good\n");
  });

  test("commands answer elsewhere, after the lines before them, and never forget much unasked", async () => {
    const { input, written, errors, forgotten, calls } = await pipe();
    input.end("hello\n/why\n/forget me\n/forget 101\n/quit\nnever read\n");
    await until(() => calls.done === 1, "done");
    expect(written()).toBe("Ada: heard hello\n");
    expect(errors()).toContain("Agent: Ada, chosen by routing: named in the message");
    expect(errors()).toContain("Nothing was forgotten.");
    expect(forgotten).toEqual(["101"]);
  });

  test("any bytes in any pieces make well-formed envelopes or a refusal, and it lives on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }), async (chunks) => {
        const { input, heard, calls, failures } = await pipe({}, () => ({ text: "ok" }));
        for (const chunk of chunks) input.write(chunk);
        // A slash may have begun a command and `/quit` an end: both are fine, only the end must come.
        input.end("\nalive\n");
        await until(() => calls.done === 1, "done");
        expect(failures).toEqual([]);
        expect(heard.at(-1)?.text).toBe("alive");
        for (const { text, messageId } of heard) {
          expect([text.isWellFormed(), text === text.trim(), text.length > 0, text.length <= 200]).toEqual([
            true,
            true,
            true,
            true,
          ]);
          expect(text).not.toMatch(/(?![\n\t])\p{Cc}/u);
          expect(messageId).toMatch(/^\d+$/u);
        }
      }),
      { numRuns: 200 },
    );
  });
});
