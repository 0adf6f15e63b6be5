import { describe, expect, it } from "vitest";
import { hashEmbed } from "../../src/model/hashing-embedder.ts";
import type { GenerateRequest, Grounding, GroundingMemory } from "../../src/model/model.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { patient, requestFor, schema } from "./requests.ts";

const memory = (text: string, author: string | null = "Aki", score = 1): GroundingMemory => ({
  id: text,
  text,
  author,
  createdAt: new Date("2026-03-12T10:00:00Z"),
  score,
});

const reply = async (message: string, grounding: Partial<Grounding> = {}, changes: Partial<GenerateRequest> = {}) => {
  const outcome = await makeOffline().generate(requestFor(message, changes, grounding), patient);
  return outcome.kind === "text" ? outcome.text : "";
};

describe("the offline model", () => {
  it("answers a question by quoting what was remembered, with who said it and when", async () => {
    const memories = [
      memory("Tell me about cats?"),
      memory("I deploy on Fridays.", "Bo"),
      memory("My cat is called Miso."),
    ];
    const text = await reply("What is my cat called?", { memories });
    expect(text).toContain("You told me on 12 March 2026: “My cat is called Miso.”");
    expect(text).not.toContain("Fridays");
  });

  it("names the person when somebody else said it", async () => {
    await expect(reply("When do we deploy?", { memories: [memory("I deploy on Fridays.", "Bo")] })).resolves.toContain(
      "Bo said on",
    );
  });

  it("never quotes a question for an answer", async () => {
    const text = await reply("What is my cat called?", { memories: [memory("What is my cat called?")] });
    expect(text).toContain("I remember nothing about that");
  });

  it("quotes what people said in this conversation, and not what agents said", async () => {
    const conversation = [
      { author: "Aki", fromAgent: false, text: "The launch is in May." },
      { author: "Ada", fromAgent: true, text: "The launch is in June." },
    ];
    const text = await reply("When is the launch?", { conversation });
    expect(text).toContain("May");
    expect(text).not.toContain("June");
  });

  it("finds Japanese again, where no spaces part the words", async () => {
    const memories = [memory("来週は東京へ行きます。"), memory("うちの猫の名前はミソです。")];
    await expect(reply("うちの猫の名前は何ですか？", { memories })).resolves.toContain("うちの猫の名前はミソです。");
  });

  it("says who it is, in the voice of the agent", async () => {
    await expect(reply("Tell me who you are.")).resolves.toMatch(/^I am Ada\. Plans, schedules and moderates\./u);
  });

  it.each(["whats my cats name", "Who is Miso?", "What do you know about my cat", "tell me about Miso"])(
    "takes %s for a question",
    async (question) => {
      await expect(reply(question, { memories: [memory("My cat is called Miso.")] })).resolves.toContain(
        "“My cat is called Miso.”",
      );
    },
  );

  it("greets who greets", async () => {
    await expect(reply("Hi!")).resolves.toMatch(/^Hello, this is Ada\./u);
  });

  it("acknowledges a statement without repeating it", async () => {
    const text = await reply("My cat is called Miso.", { memories: [memory("My cat is called Miso.")] });
    expect(text).toContain("I will remember that.");
    expect(text).not.toContain("Miso");
  });

  it.each(["Hello", "What is my cat called?", "Tell me who you are.", "", "?!"])(
    "says that it is offline (%s)",
    async (message) => {
      await expect(reply(message)).resolves.toContain("I am offline");
    },
  );

  it.each([
    ["My databases and servers are slow", "technical"],
    ["Could you write a poem with funny names?", "creative"],
    ["It rains", "facilitator"],
  ])("gives %s to %s by the words of its description", async (message, agent) => {
    const value = JSON.parse(await reply(message, {}, { schema })) as Record<string, unknown>;
    expect(value).toEqual({ agent, reply: expect.stringContaining("I am offline") });
  });

  it("fills what else a schema requires with the least that satisfies it", async () => {
    const demanding = {
      type: "object",
      properties: {
        mood: { type: "string", enum: ["calm"] },
        tags: { type: "array" },
        sure: { type: "boolean" },
        reply: { type: "string" },
      },
      required: ["mood", "tags", "sure", "reply"],
    };
    const value = JSON.parse(await reply("Hello", {}, { schema: demanding })) as unknown;
    expect(value).toMatchObject({ mood: "calm", tags: [], sure: false, reply: expect.any(String) });
  });

  it("gives the same answer to the same question", async () => {
    const memories = [memory("My cat is called Miso."), memory("My cat likes fish.")];
    expect(await reply("What about my cat?", { memories })).toBe(await reply("What about my cat?", { memories }));
  });
});

const near = (one: string, other: string) => {
  const vector = hashEmbed(other);
  return hashEmbed(one).reduce((sum, value, place) => sum + value * (vector[place] ?? 0), 0);
};

describe("the hashing embedder", () => {
  it.each([
    ["猫の名前はミソです", "猫の名前は何ですか", "来週は東京へ行きます"],
    ["my cats are hungry", "a hungry cat", "deploy the server"],
    ["Straße", "STRASSE straße", "avenue"],
  ])("puts %s nearer to %s than to %s", (text, alike, unlike) => {
    expect(near(text, alike)).toBeGreaterThan(near(text, unlike) + 0.1);
  });

  it.each(["", " ", "🎉", "\u0000", "a".repeat(10_000)])("makes a unit vector of anything (%j)", (text) => {
    expect(Math.hypot(...hashEmbed(text))).toBeCloseTo(1, 9);
  });
});
