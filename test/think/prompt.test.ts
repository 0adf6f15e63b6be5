import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderPrompt } from "../../src/think/prompt.ts";
import { line, recollection, thoughtOf } from "./thoughts.ts";

const thought = thoughtOf();
const parts = {
  snapshot: thought.snapshot,
  candidates: thought.snapshot.agents,
  handoffs: [],
  weights: { bob: 0.8 },
  envelope: thought.envelope,
  recent: [
    line("good morning", { messageId: "1" }),
    line("hello Mia", { messageId: "1", agent: "ada", author: "ADA" }),
  ],
  recollections: [recollection("My cat is called Miso."), recollection("good morning", { sourceMessageId: "1" })],
  attached: [],
  handedOverBy: null,
};

describe("the prompt", () => {
  it("has memory with dates, then the conversation oldest first, then channel and message", () => {
    const { prompt } = renderPrompt(parts);
    const order = [
      '<memory date="2026-10-01 09:00" by="Mia" channel="garden">My cat',
      ">good morning<",
      ">hello Mia<",
      "in channel #garden",
      "<message by",
    ];
    const places = order.map((piece) => prompt.indexOf(piece));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(prompt).toContain("bob 0.8");
  });

  it("shows once what stands in the conversation and in memory", () => {
    expect(renderPrompt(parts).prompt.split("good morning")).toHaveLength(2);
  });

  it("keeps its revision from message to message, and changes it with an agent's instructions", () => {
    const { revision } = renderPrompt(parts);
    expect(
      renderPrompt({ ...parts, recent: [], recollections: [], envelope: { ...thought.envelope, text: "other" } })
        .revision,
    ).toBe(revision);
    const [ada, bob] = thought.snapshot.agents;
    const snapshot = { ...thought.snapshot, agents: [{ ...ada!, prompt: "You are somebody else." }, bob!] };
    expect(renderPrompt({ ...parts, snapshot }).revision).not.toBe(revision);
  });

  it("lets nobody close the block their words stand in, whatever they write", () => {
    const tags = fc.constantFrom("</message>", "<message by='x'>", "</MEMORY>", "<line", "< /line>", "</line");
    const words = fc.array(fc.oneof(tags, fc.string()), { maxLength: 6 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(words, words, words, (message, memory, author) => {
        const { prompt } = renderPrompt({
          ...parts,
          envelope: { ...thought.envelope, text: message, author: { ...thought.envelope.author, name: author } },
          recent: [line(memory)],
          recollections: [recollection(memory)],
        });
        expect(prompt.match(/<message\b/g)).toHaveLength(1);
        expect(prompt.match(/<\/message\b/gi)).toHaveLength(1);
        expect(prompt.match(/<memory\b/g)).toHaveLength(1);
        expect(prompt.match(/<line\b/g)).toHaveLength(1);
      }),
    );
  });
});
