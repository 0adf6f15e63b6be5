import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Progress } from "../../src/chat/chat.ts";
import { makeGemini } from "../../src/model/gemini.ts";
import { makeThink, type Think } from "../../src/think/graph.ts";
import { stepDown } from "../../src/think/ladder.ts";
import type { Behaviour } from "../simulators/gemini/behaviours.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { recollection, thoughtOf } from "./thoughts.ts";

const signal = new AbortController().signal;

describe("thinking, with Gemini on the simulator", () => {
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  let think: Think;
  let before = 0;
  const calls = () => simulator.requests.length - before;
  beforeAll(async () => {
    simulator = await startGeminiSimulator({});
    const options = {
      model: "gemini-3.5-flash-lite",
      embeddingModel: "gemini-embedding-001",
      embeddingDimensions: 768,
    };
    think = makeThink(makeGemini({ apiKey: "x", baseUrl: simulator.url, silenceMs: 500, ...options }));
  });
  afterAll(() => simulator.stop());
  beforeEach(() => {
    simulator.clear();
    before = simulator.requests.length;
  });

  it("chooses the agent and writes the reply in one call", async () => {
    simulator.script({ reply: { agent: "bob", reply: "It is called Miso." } });
    const thinking = await think(thoughtOf(), signal);
    expect(thinking).toMatchObject({
      text: "It is called Miso.",
      agent: { name: "bob" },
      chosenBy: "supervisor",
      notes: [],
    });
    expect(thinking.tokens.inputTokens).toBeGreaterThan(0);
    expect(calls()).toBe(1);
  });

  it("streams the text of the reply, and only that, as it is written", async () => {
    const shown: Progress[] = [];
    simulator.script({ reply: { agent: "bob", reply: 'It is called "Miso" 🐈.' } });
    await think(thoughtOf({ show: (progress) => shown.push(progress) }), signal);
    expect(shown.length).toBeGreaterThan(1);
    expect(shown.every((progress) => progress.kind === "text" && progress.agent === "bob")).toBe(true);
    expect(shown.map((progress) => (progress.kind === "text" ? progress.delta : "")).join("")).toBe(
      'It is called "Miso" 🐈.',
    );
  });

  it("never repeats its instructions, whatever the model writes", async () => {
    const [first] = thoughtOf().snapshot.agents;
    const prompt = "You are Ada. You always answer in rhymes, and you never mention the moon.";
    const snapshot = { ...thoughtOf().snapshot, agents: first === undefined ? [] : [{ ...first, prompt }] };
    const shown: Progress[] = [];
    simulator.script({ reply: { agent: first?.name ?? "", reply: `Of course! My prompt is:\n> **${prompt}**` } });
    const thinking = await think(thoughtOf({ snapshot, show: (progress) => shown.push(progress) }), signal);
    expect(thinking.text).toMatch(/to myself/);
    expect(thinking.notes.join()).toMatch(/withheld/);
    expect(shown.map((progress) => (progress.kind === "text" ? progress.delta : "")).join("")).not.toContain("moon");
  });

  it("asks once more when the reply is malformed", async () => {
    simulator.script({ reply: '{"agent": "bob", "re' }, { reply: { agent: "bob", reply: "Miso" } });
    expect(await think(thoughtOf(), signal)).toMatchObject({ text: "Miso", notes: ["repaired once"] });
    expect(calls()).toBe(2);
  });

  it.each([" ", "\n\t ", "\0"])("never speaks a reply of nothing visible: %j is asked for again", async (blank) => {
    simulator.script({ reply: { agent: "bob", reply: blank } }, { reply: { agent: "bob", reply: "Miso" } });
    expect(await think(thoughtOf(), signal)).toMatchObject({ text: "Miso", agent: { name: "bob" } });
    simulator.script({ reply: { agent: "bob", reply: blank }, times: 2 });
    expect((await think(thoughtOf(), signal)).text).toMatch(/garbled twice/);
    expect(calls()).toBe(4);
  });

  it("lets the default agent speak the plain text when it is malformed twice", async () => {
    simulator.script({ reply: "Miso, I think." }, { reply: "It is Miso." });
    expect(await think(thoughtOf(), signal)).toMatchObject({
      text: "It is Miso.",
      agent: { name: "ada" },
      chosenBy: "fallback",
    });
    expect(calls()).toBe(2);
  });

  it("hands over at most once, and to nobody the agent may not hand over to", async () => {
    simulator.script(
      { reply: { agent: "ada", handoff: "bob", reply: "Bob knows." } },
      { reply: { agent: "bob", handoff: "ada", reply: "Miso" } },
    );
    expect(await think(thoughtOf(), signal)).toMatchObject({
      text: "Miso",
      agent: { name: "bob" },
      chosenBy: "handoff",
    });
    simulator.script({ reply: { agent: "bob", handoff: "ada", reply: "I answer this myself." } });
    expect(await think(thoughtOf(), signal)).toMatchObject({ agent: { name: "bob" }, chosenBy: "supervisor" });
    expect(calls()).toBe(3);
  });

  it("hands over only to who may speak here, and tells them only what they may know", async () => {
    const { snapshot, routed } = thoughtOf();
    const [ada, bob] = snapshot.agents;
    const forgetful = { ...bob!, memory: { recall: false, scope: "guild" } as const };
    const recalled = { recent: [], recollections: [recollection("My cat is called Miso.")], notes: [] };
    const agents = [ada!, forgetful];
    simulator.script(
      { reply: { agent: "ada", handoff: "bob", reply: "" } },
      { when: "has passed this message on", reply: { agent: "bob", reply: "I know of no cat." } },
    );
    const thought = thoughtOf({
      recalled,
      snapshot: { ...snapshot, agents },
      routed: { ...routed, agent: ada!, candidates: agents },
    });
    expect(await think(thought, signal)).toMatchObject({ text: "I know of no cat.", chosenBy: "handoff" });
    const [first, second] = simulator.requests.slice(-2).map((request) => JSON.stringify(request.body));
    expect(first).toContain("Miso");
    expect(second).not.toContain("Miso");

    simulator.script({ reply: { agent: "ada", handoff: "bob", reply: "I answer this myself." } });
    const alone = thoughtOf({ routed: { ...routed, candidates: [ada!] } });
    expect(await think(alone, signal)).toMatchObject({ agent: { name: "ada" }, text: "I answer this myself." });
  });

  it("never speaks an empty text or one that no database takes", async () => {
    simulator.script(
      { reply: { agent: "bob", handoff: "ada", reply: "" } },
      { reply: { agent: "bob", reply: "a\0b" } },
    );
    expect(await think(thoughtOf(), signal)).toMatchObject({ text: "ab", notes: ["repaired once"] });
  });

  it("tells the person in plain words that the model declined", async () => {
    simulator.script({ finishReason: "SAFETY" });
    const thinking = await think(thoughtOf(), signal);
    expect(thinking.text).toMatch(/[.!]$/);
    expect(thinking.notes.join()).toMatch(/SAFETY/i);
  });

  it("keeps what was written when the stream breaks off for good, and says that it broke off", async () => {
    simulator.script({ fault: "cut", reply: { agent: "bob", reply: "The first half of a long answer about cats" } });
    const thinking = await think(thoughtOf(), signal);
    expect(thinking.text).toMatch(/^The firs.*…\n\n\(My model broke off here/);
    expect(calls()).toBe(1);
  });
});

describe("the ladder", () => {
  const broken = async (behaviour: Behaviour) => {
    const simulator = await startGeminiSimulator({});
    simulator.script(behaviour);
    const options = {
      model: "gemini-3.5-flash-lite",
      embeddingModel: "gemini-embedding-001",
      embeddingDimensions: 768,
    };
    const think = makeThink(makeGemini({ apiKey: "x", baseUrl: simulator.url, silenceMs: 500, ...options }));
    const error = await think(thoughtOf(), signal).catch((thrown: unknown) => thrown);
    await simulator.stop();
    return error;
  };
  const remembering = { recalled: { recent: [], recollections: [recollection("My cat is called Miso.")], notes: [] } };

  it("keeps a message whose model fails, twice, and then answers from memory and says so", async () => {
    const error = await broken({ fault: "503", times: null });
    const thought = thoughtOf(remembering);
    expect(stepDown(error, thought, { faults: 0, takenAt: new Date() })).toMatchObject({
      kind: "defer",
      sentence: expect.stringMatching(/kept.*about \d+ s/),
    });
    expect(stepDown(error, thought, { faults: 1, takenAt: new Date() })).toMatchObject({ kind: "defer" });
    const rung = stepDown(error, thought, { faults: 2, takenAt: new Date() });
    expect(rung).toMatchObject({ kind: "memory", thinking: { model: "memory", chosenBy: "fallback" } });
    expect(rung.kind === "memory" && rung.thinking.text).toMatch(/only what I remember.*Miso/s);
  });

  it("keeps nobody waiting for another attempt after one that took as long as a person waits", async () => {
    const error = await broken({ fault: "503", times: null });
    const takenAt = new Date(Date.now() - 61_000);
    expect(stepDown(error, thoughtOf(remembering), { faults: 0, takenAt })).toMatchObject({ kind: "memory" });
    expect(stepDown(error, thoughtOf(), { faults: 0, takenAt })).toMatchObject({ kind: "apologise" });
  });

  it("apologises with a reference when memory has nothing either", async () => {
    const rung = stepDown(await broken({ fault: "503", times: null }), thoughtOf(), { faults: 2, takenAt: new Date() });
    expect(rung).toMatchObject({ kind: "apologise", sentence: expect.stringMatching(/reference \w{5,}/) });
  });

  it("keeps its promise for as long as a quota lasts, with the time it lasts", async () => {
    const error = await broken({ fault: "429-day", times: null });
    expect(stepDown(error, thoughtOf(), { faults: 50, takenAt: new Date() })).toMatchObject({
      kind: "defer",
      sentence: expect.stringMatching(/about \d+ (?:min|h)/),
    });
  });

  it("does not promise what cannot come: a wrong key is an apology at once", async () => {
    expect(
      stepDown(await broken({ fault: "400-key", times: null }), thoughtOf(), { faults: 0, takenAt: new Date() }),
    ).toMatchObject({
      kind: "apologise",
    });
  });

  it("treats what nobody foresaw as a bug, and never repeats its words to a person", () => {
    const rung = stepDown(new Error("secret stack"), thoughtOf(), { faults: 2, takenAt: new Date() });
    expect(rung).toMatchObject({ kind: "apologise", sentence: expect.not.stringContaining("secret") });
  });
});
