import { describe, expect, onTestFinished, test } from "vitest";
import type { Envelope } from "../../src/envelope.ts";
import { makeFakeBacking, replyTo, streamTo } from "./fake-backing.ts";
import { never, openFake, until } from "./fake-screen.ts";

/** A started terminal with a person at it; what it heard is answered by the test itself. */
async function sit(over: Parameters<typeof openFake>[0] = {}) {
  const fake = openFake(over);
  const behind = makeFakeBacking();
  fake.terminal.open();
  fake.terminal.connect(behind.backing);
  await fake.terminal.start(never, (error) => expect.unreachable(error.message));
  onTestFinished(async () => await fake.terminal.stop(never));
  const shows = async (line: string): Promise<void> =>
    await until(() => fake.screen().includes(line), `${line}\n${fake.screen().join("\n")}`);
  async function say(text: string): Promise<Envelope> {
    const count = behind.heard.length;
    await fake.type(`${text}\r`);
    await until(() => behind.heard.length > count, `heard ${text}`);
    return behind.heard.at(-1) as Envelope;
  }
  return { ...fake, ...behind, shows, say, plain: () => fake.screen().filter((line) => line !== "") };
}

describe("an interactive terminal", () => {
  test("shows a prompt at once, keeps what is typed and hears it in order once it can", async () => {
    const { terminal, type, screen, calls } = openFake();
    const { backing, heard } = makeFakeBacking();
    terminal.open();
    expect(screen().at(-1)).toBe("you ▸");
    await type("first\rsecond\rthi");
    terminal.say("The database is new.");
    terminal.connect(backing);
    expect(screen()).toContain("  Model    offline model; set GEMINI_API_KEY for Gemini");
    expect(screen().at(-1)).toBe("you ▸ thi");
    expect(screen().join()).toContain("your 2 lines are kept until then");
    await terminal.start(never, () => undefined);
    await type("rd\r");
    await until(() => heard.length === 3, "three");
    expect(heard.map(({ text }) => text)).toEqual(["first", "second", "third"]);
    await terminal.stop(never);
    expect(calls.done).toBe(0);
  });

  test("an answer is written as it comes and stands there once, while the person types on", async () => {
    const { terminal, say, type, plain } = await sit();
    const envelope = await say("hello");
    terminal.show(envelope, { kind: "thinking" });
    await until(() => plain().some((line) => line.includes("Thinking…")), "a spinner");
    const speaking = streamTo(terminal, envelope, "A first line that is streamed.\nA second one.", { paceMs: 15 });
    await type("typed ");
    await type("meanwhile");
    await speaking;
    expect(plain().slice(-5)).toEqual([
      "you ▸ hello",
      "Ada",
      "  A first line that is streamed.",
      "  A second one.",
      "you ▸ typed meanwhile",
    ]);
  });

  test("a final text that goes on is completed, one that differs replaces what was streamed and says so", async () => {
    const { terminal, say, plain } = await sit();
    const one = await say("one");
    terminal.show(one, { kind: "text", agent: "ada", delta: "It is " });
    await terminal.speak(replyTo(one, "It is a cat."), never);
    expect(plain().slice(-3)).toEqual(["Ada", "  It is a cat.", "you ▸"]);
    const two = await say("two");
    terminal.show(two, { kind: "text", agent: "bo", delta: "It is a dog" });
    await terminal.speak(replyTo(two, "It is a cat."), never);
    const expected = ["Bo", "  It is a dog", "Ada (instead of the lines above)", "  It is a cat.", "you ▸"];
    expect(plain().slice(-5)).toEqual(expected);
  });

  test("two answers are never mixed: the second waits for the first", async () => {
    const { terminal, say, plain } = await sit();
    const [one, two] = [await say("one"), await say("two")];
    terminal.show(one, { kind: "text", agent: "ada", delta: "first " });
    terminal.show(two, { kind: "text", agent: "bo", delta: "other " });
    const second = terminal.speak(replyTo(two, "other answer", { agent: { name: "bo", displayName: "Bo" } }), never);
    await terminal.speak(replyTo(one, "first answer"), never);
    await second;
    expect(plain().slice(-5)).toEqual(["Ada ↳ one", "  first answer", "Bo", "  other answer", "you ▸"]);
  });

  test("nothing that models or people write commands the terminal", async () => {
    const { terminal, say, written } = await sit();
    const envelope = await say("x");
    const before = written().length;
    const evil = "a\u001B[2J\u001B]0;owned\u0007\u009B31mb\rc\u0000";
    terminal.show(envelope, { kind: "text", agent: "\u001B[5mada", delta: evil });
    terminal.show(envelope, { kind: "deferred", untilMs: 0, sentence: "Later\u001B[2J." });
    await terminal.speak(replyTo(envelope, evil, { agent: { name: "a", displayName: "A\u001B[2Ja\n" } }), never);
    const rest = written()
      .slice(before)
      .replace(/\p{Cc}\[(?:\?25[lh]|0?J|\d+[AG])|[\r\n]/gu, "");
    expect(rest).not.toMatch(/\p{Cc}/u);
    expect(written()).not.toContain("owned");
  });

  test("waiting counts down, a deferral and silence are said in a sentence, a crash is admitted", async () => {
    let clock = Date.now();
    const { terminal, say, plain, shows } = await sit({ now: () => new Date(clock) });
    const envelope = await say("x");
    terminal.show(envelope, { kind: "waiting", waitMs: 12_000, ahead: 3 });
    await until(() => plain().some((line) => line.endsWith("about 12 s: 3 requests ahead")), "12 s");
    clock += 5_000;
    await until(() => plain().some((line) => line.endsWith("about 7 s: 3 requests ahead")), "7 s");
    terminal.show(envelope, { kind: "deferred", untilMs: clock, sentence: "I answer at nine." });
    await shows("I answer at nine.");
    expect(plain().join()).not.toContain("ahead");
    await terminal.speak(replyTo(envelope, "Here.", { redelivered: true }), never);
    expect(plain().slice(-3)).toEqual(["Ada (shown again after a crash)", "  Here.", "you ▸"]);
    terminal.show(await say("y"), { kind: "ignored", reason: "nobody was addressed" });
    await shows("Nobody answers that: nobody was addressed");
  });

  test("no row is ever wider than a narrow terminal, and no typing is lost on it", async () => {
    const { terminal, say, type, screen, plain } = await sit({ columns: 20 });
    await type("/channel garden\r");
    const envelope = await say("tell me something that is long");
    const speaking = streamTo(terminal, envelope, "A rather long sentence, 猫が好きです。", { paceMs: 10 });
    await type("typing a line that takes three rows of it");
    await speaking;
    // The emulated terminal breaks what is too wide, so a broken word would show.
    const expected = ["Ada", "A rather long", "sentence, 猫が好き", "です。"];
    expect(plain().slice(-7, -3)).toEqual(expected);
    expect(screen().slice(-3).join("")).toBe("you #garden ▸ typing a line that takes three rows of it");
  });

  test("a long paste can be taken back, and nothing of it stays", async () => {
    const { type, plain } = await sit({ columns: 20 });
    const above = plain().slice(0, -1);
    await type("a pasted line that takes three rows of it");
    await type("\u0015");
    await type("x");
    expect(plain()).toEqual([...above, "you ▸ x"]);
  });

  test("a terminal that does not know its size is taken for one of 80 columns", async () => {
    const { written } = await sit({ columns: 0 });
    expect(written()).toContain("  Model    offline model; set GEMINI_API_KEY for Gemini\n");
  });

  test("a dumb terminal gets plain lines: no sequence, no spinner, no stream", async () => {
    const { terminal, say, written } = await sit({ env: { TERM: "dumb" } });
    const envelope = await say("hello");
    terminal.show(envelope, { kind: "thinking" });
    await streamTo(terminal, envelope, "Hello to you.", { paceMs: 30 });
    expect(written()).toMatch(/\nAda\n {2}Hello to you\.\n\nyou > $/u);
    expect(written()).not.toMatch(/(?!\n)\p{Cc}/u);
    expect(written()).not.toContain("Thinking");
  });

  test("NO_COLOR leaves no colour, and without it every agent has its own", async () => {
    const colour = /\p{Cc}\[\d+(?:;\d+)*m/u;
    expect((await sit()).written()).not.toMatch(colour);
    const { written } = await sit({ env: {} });
    const [, ada, bo] = /\p{Cc}\[1m\p{Cc}\[(\d+)mAda.*?\p{Cc}\[1m\p{Cc}\[(\d+)mBo/u.exec(written()) ?? [];
    expect(ada).toBeDefined();
    expect(ada).not.toBe(bo);
  });

  test("more than one memory is forgotten only after a yes", async () => {
    const { type, forgotten, shows } = await sit();
    await type("/forget me\r");
    await shows("Forget these 2 memories? y/N ▸");
    await type("\r");
    await shows("Nothing was forgotten.");
    expect(forgotten).toEqual([]);
    await type("/forget Miso\r");
    await type("y\r");
    await shows("2 memories are forgotten.");
    await type("/forget last\r");
    await shows("One memory is forgotten.");
    expect(forgotten).toEqual(["101", "102", "102"]);
  });

  test("commands tell, change the seat and suggest; two slashes are a message", async () => {
    const { type, say, shows } = await sit();
    await type("/statsu\r");
    await shows("There is no command /statsu. Did you mean /status? (Two slashes send it as a");
    await type("/as Mia\r/channel #garden\r");
    await shows("Mia #garden ▸");
    expect(await say("//shrug")).toMatchObject({
      text: "/shrug",
      author: { name: "Mia" },
      channelName: "garden",
      addressed: true,
    });
    await type("/why\r");
    await shows("  Agent     Ada, chosen by routing: named in the message");
    await type("/as \r");
    await shows("A name is missing.");
  });

  test("too long a message and one that could not be kept are said", async () => {
    const { type, backing, shows, logged, screen } = await sit();
    await type(`${"x".repeat(201)}\r`);
    await shows("That has 201 characters and the limit is 200; it was not sent.");
    Object.assign(backing, { hear: async () => await Promise.reject(new Error("no room")) });
    await type("hello\r");
    await until(() => screen().join(" ").includes("could not be kept"), "said");
    expect(logged).toMatchObject([{ msg: "a message could not be kept" }]);
  });

  test("Ctrl-C is passed on each time, Ctrl-D and /quit end it once what was typed is kept", async () => {
    const { type, calls, heard, terminal, plain } = await sit();
    await type("\u0003");
    await type("\u0003");
    expect(calls).toEqual({ done: 0, interrupted: 2 });
    await type("last words\r/quit\r");
    await until(() => calls.done === 1, "done");
    await terminal.speak(replyTo(heard[0] as Envelope, "Bye."), never);
    expect(plain().slice(-2)).toEqual(["Ada", "  Bye."]);
    const other = await sit();
    await other.type("\u0004");
    expect(other.calls.done).toBe(1);
  });

  test("after stop nothing is written, and what was not shown is not spoken", async () => {
    const { terminal, say, written, output } = await sit();
    const envelope = await say("x");
    await terminal.stop(never);
    const before = written();
    expect(before.endsWith("\u001B[?25h")).toBe(true);
    terminal.say("late");
    terminal.show(envelope, { kind: "text", agent: "ada", delta: "late" });
    await expect(terminal.speak(replyTo(envelope, "late"), never)).rejects.toMatchObject({
      disposition: { kind: "retry" },
    });
    expect(written()).toBe(before);
    expect(output.listenerCount("resize")).toBe(0);
  });
});
