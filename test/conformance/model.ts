import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Model } from "../../src/model/model.ts";
import { patient, requestFor, schema } from "../model/requests.ts";

export interface Opened {
  readonly model: Model;
  close(): Promise<void>;
}

/** What every implementation of the model port keeps, whatever stands behind it. */
export function modelConformance(name: string, open: () => Promise<Opened>): void {
  describe(`${name} keeps the model port`, () => {
    let opened: Opened;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());

    it("answers in text that is not empty", async () => {
      const outcome = await opened.model.generate(requestFor("Hello, how are you?"), patient);
      expect(outcome).toMatchObject({ kind: "text", truncated: false, model: opened.model.name });
      expect(outcome.kind === "text" && outcome.text.trim()).not.toBe("");
    });

    it("obeys the schema it is given", async () => {
      const outcome = await opened.model.generate(requestFor("Write a poem.", { schema }), patient);
      const value = JSON.parse(outcome.kind === "text" ? outcome.text : "null") as { agent: string; reply: string };
      expect(schema.properties.agent.enum).toContain(value.agent);
      expect(value.reply.trim()).not.toBe("");
    });

    it("streams exactly the text it returns", async () => {
      const pieces: string[] = [];
      const request = requestFor("Tell me a long story about 猫.", { schema, onText: (delta) => pieces.push(delta) });
      const outcome = await opened.model.generate(request, patient);
      expect(pieces.length).toBeGreaterThan(1);
      expect(outcome.kind === "text" && outcome.text).toBe(pieces.join(""));
    });

    it("throws model_deadline for a signal that is already aborted", async () => {
      const aborted = AbortSignal.abort();
      const expected = { code: "model_deadline", disposition: { kind: "retry" } };
      await expect(opened.model.generate(requestFor("Hello"), aborted)).rejects.toMatchObject(expected);
      await expect(
        opened.model.embed({ texts: ["a"], task: "query", priority: "mention" }, aborted),
      ).rejects.toMatchObject(expected);
    });

    it("throws model_deadline when the signal aborts while it streams", async () => {
      const stop = new AbortController();
      const request = requestFor("Tell me a long story.", { onText: () => stop.abort(new Error("enough")) });
      await expect(opened.model.generate(request, stop.signal)).rejects.toMatchObject({ code: "model_deadline" });
    });

    it.each([1, 2, 100])("embeds %i texts as unit vectors of its dimensions, in order", async (count) => {
      const texts = Array.from({ length: count }, (_, index) => `text number ${index}`);
      const vectors = await opened.model.embed({ texts, task: "document", priority: "background" }, patient);
      expect(vectors).toHaveLength(count);
      for (const vector of vectors) {
        expect(vector).toHaveLength(opened.model.embedder.dimensions);
        expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
      }
      const [last] = await opened.model.embed(
        { texts: texts.slice(-1), task: "document", priority: "background" },
        patient,
      );
      expect(last).toEqual(vectors.at(-1));
    });

    it("puts a text that shares words nearer than one that shares none", async () => {
      const texts = ["my cat is called Miso", "is the cat here", "deploy on friday", "猫の名前はミソです", "🎉"];
      const vectors = await opened.model.embed({ texts, task: "document", priority: "background" }, patient);
      const near = (one = 0, other = 0) =>
        (vectors[one] ?? []).reduce((sum, value, at) => sum + value * (vectors[other]?.[at] ?? 0), 0);
      expect(near(0, 1)).toBeGreaterThan(near(0, 2));
    });

    it("names its vector space by model and dimensions", () => {
      expect(opened.model.embedder.space).toMatch(new RegExp(`^\\S+@${opened.model.embedder.dimensions}$`, "u"));
    });
  });
}
