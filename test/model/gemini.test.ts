import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { makeGemini, type GeminiOptions } from "../../src/model/gemini.ts";
import type { GenerateRequest } from "../../src/model/model.ts";
import { startGeminiSimulator, type Behaviour, type Simulator } from "../simulators/gemini/simulator.ts";
import { patient, requestFor, schema } from "./requests.ts";

let simulator: Simulator;
const rejections: unknown[] = [];
const note = (reason: unknown) => rejections.push(reason);

beforeAll(async () => {
  process.on("unhandledRejection", note);
  simulator = await startGeminiSimulator();
});
afterEach(() => {
  simulator.clear();
  // Thrown, not expected: a rejection that nobody handled belongs to the test before it.
  if (rejections.length > 0) throw new AggregateError(rejections.splice(0), "a rejection was not handled");
});
afterAll(async () => {
  process.off("unhandledRejection", note);
  await simulator.stop();
});

const open = (changes: Partial<GeminiOptions> = {}) =>
  makeGemini({
    apiKey: "canary-key",
    model: "gemini-3.5-flash-lite",
    embeddingModel: "gemini-embedding-001",
    embeddingDimensions: 768,
    baseUrl: simulator.url,
    ...changes,
  });

const ask = (behaviour: Behaviour, changes: Partial<GenerateRequest> = {}) => {
  simulator.script(behaviour);
  return open().generate(requestFor("canary-prompt, please", changes), patient);
};

const streaming = { onText: () => {} };
const sent = () => simulator.requests.at(-1)?.body as Record<string, Record<string, unknown>>;

describe.each([
  ["whole", {}],
  ["streamed", streaming],
])("a %s reply", (_, changes) => {
  it.each([
    ["503", "model_unavailable"],
    ["500", "model_unavailable"],
    ["502-html", "model_unavailable"],
    ["200-html", "model_unavailable"],
    ["reset", "model_unavailable"],
    ["reset-mid", "model_unavailable"],
    ["cut", "model_unavailable"],
    ["half-json", "model_unavailable"],
    ["error-in-200", "model_unavailable"],
    ["quota-in-200", "model_quota"],
    ["429-minute", "model_quota"],
    ["429-day", "model_quota"],
    ["429-bare", "model_quota"],
    ["429-zero", "model_misconfigured"],
    ["400-key", "model_misconfigured"],
    ["400-field", "model_misconfigured"],
    ["403", "model_misconfigured"],
    ["404", "model_misconfigured"],
  ] as const)("that fails with %s is %s, and tells neither key nor prompt", async (fault, code) => {
    const error: unknown = await ask({ fault }, changes).catch((thrown: unknown) => thrown);
    const kind = code === "model_misconfigured" ? "bury" : "retry";
    expect(error).toMatchObject({ code, disposition: { kind } });
    expect(inspect(error, { depth: 9 })).not.toMatch(/canary/u);
  });

  it.each([
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "RECITATION",
    "MALFORMED_FUNCTION_CALL",
    "MAX_TOKENS",
    "NEWLY_INVENTED",
  ])("that stops for %s without text is a block with a sentence, not an error", async (finishReason) => {
    const outcome = await ask({ finishReason }, changes);
    expect(outcome).toMatchObject({ kind: "blocked", reason: finishReason });
    expect(outcome.kind === "blocked" && outcome.sentence).toMatch(/^The model.+\.$/u);
  });

  it("to a blocked prompt is a block with a sentence", async () => {
    await expect(ask({ blockReason: "PROHIBITED_CONTENT" }, changes)).resolves.toMatchObject({
      kind: "blocked",
      reason: "PROHIBITED_CONTENT",
      sentence: "The model refuses to write about this: its provider prohibits it.",
    });
  });

  it("of nothing but spaces is a block, never an empty text", async () => {
    await expect(ask({ reply: "  \n" }, changes)).resolves.toMatchObject({ kind: "blocked", reason: "EMPTY" });
  });

  it("that only calls a function it was not given is a block", async () => {
    const functionCall = { name: "search", args: { words: "cat" } };
    await expect(ask({ functionCall }, changes)).resolves.toMatchObject({ kind: "blocked" });
  });

  it("cut at the limit of tokens keeps its text and says so", async () => {
    const outcome = await ask({ reply: "Half a sent", finishReason: "MAX_TOKENS" }, changes);
    expect(outcome).toMatchObject({ kind: "text", text: "Half a sent", truncated: true });
  });

  it("leaves the model's thoughts out of the text", async () => {
    await expect(ask({ thought: "secret plan", reply: "Hello." }, changes)).resolves.toMatchObject({ text: "Hello." });
  });

  it("counts tokens, cached ones among them", async () => {
    const outcome = await ask({ reply: "Hello.", cachedTokens: 3 }, changes);
    expect(outcome.usage).toEqual({ inputTokens: 12, outputTokens: 2, cachedTokens: 3 });
  });

  it("that never comes ends by the caller's signal within milliseconds", async () => {
    simulator.script({ fault: "hang" });
    const stop = new AbortController();
    const seen = simulator.requests.length;
    const answer = open().generate(requestFor("Hello", changes), stop.signal);
    await vi.waitUntil(() => simulator.requests.length > seen);
    const abortedAt = performance.now();
    stop.abort();
    await expect(answer).rejects.toMatchObject({ code: "model_deadline" });
    expect(performance.now() - abortedAt).toBeLessThan(100);
    await vi.waitUntil(() => simulator.requests.at(-1)?.aborted);
  });

  it.each(["hang", "hang-mid"] as const)(
    "that falls silent (%s) is unavailable, and the connection is closed",
    async (fault) => {
      simulator.script({ fault });
      const answer = open({ silenceMs: 50 }).generate(requestFor("Hello there, all of you", changes), patient);
      await expect(answer).rejects.toMatchObject({ code: "model_unavailable" });
      await vi.waitUntil(() => simulator.requests.at(-1)?.aborted);
    },
  );
});

it("reads a stream through comments, event names and mixed line endings", async () => {
  const pieces: string[] = [];
  const outcome = await ask(
    { comments: true, reply: "one two three four five six" },
    { onText: (piece) => pieces.push(piece) },
  );
  expect(outcome).toMatchObject({ kind: "text", text: "one two three four five six" });
  expect(pieces).toHaveLength(2);
});

it("hangs up on a stream that has told an error, though it stays open", async () => {
  await expect(ask({ fault: "quota-in-200" }, streaming)).rejects.toMatchObject({ code: "model_quota" });
  await vi.waitUntil(() => simulator.requests.at(-1)?.aborted);
});

it("keeps a slow stream alive as long as chunks come", async () => {
  // Longer in all than it may be silent, and each time by far shorter, also on a machine that is busy.
  simulator.script({ chunkMs: 150, reply: "a".repeat(16 * 16) });
  const outcome = await open({ silenceMs: 2_000 }).generate(requestFor("Hello", streaming), patient);
  expect(outcome.kind).toBe("text");
});

it("ends a stream by the caller's signal in the middle, as a deadline", async () => {
  simulator.script({ fault: "hang-mid" });
  const stop = new AbortController();
  const request = requestFor("Hello there, all of you", { onText: () => setImmediate(() => stop.abort()) });
  await expect(open().generate(request, stop.signal)).rejects.toMatchObject({ code: "model_deadline" });
});

it("asks nothing of the provider when the signal is already aborted", async () => {
  const before = simulator.requests.length;
  await expect(open().generate(requestFor("Hello"), AbortSignal.abort())).rejects.toMatchObject({
    code: "model_deadline",
  });
  expect(simulator.requests).toHaveLength(before);
});

it("leaves the global fetch as it was, during and after a call", async () => {
  const usual = globalThis.fetch;
  const seen = new Set<unknown>();
  await ask({ reply: "one two three four five six" }, { onText: () => seen.add(globalThis.fetch) });
  expect([...seen, globalThis.fetch]).toEqual([usual, usual]);
});

it("tells a limit of the minute from one of the day, and how long each lasts", async () => {
  await expect(ask({ fault: "429-minute", retryDelaySeconds: 34 })).rejects.toMatchObject({
    limit: "minute",
    disposition: { afterMs: 34_000 },
  });
  const day: unknown = await ask({ fault: "429-day", retryDelaySeconds: 3 }).catch((error: unknown) => error);
  expect(day).toMatchObject({ limit: "day" });
  expect((day as { disposition: { afterMs: number } }).disposition.afterMs).toBeGreaterThan(3_000);
});

it("names the remedy when the key is wrong", async () => {
  await expect(ask({ fault: "400-key" })).rejects.toThrow(/Set GEMINI_API_KEY/u);
});

it("says what is wrong when nobody listens at the base URL", async () => {
  const model = open({ baseUrl: "http://127.0.0.1:1" });
  await expect(model.generate(requestFor("Hello"), patient)).rejects.toMatchObject({ code: "model_unavailable" });
});

it("asks for structured output in Gemini's dialect of schemas", async () => {
  await ask({}, { schema });
  expect(sent()["generationConfig"]).toMatchObject({
    responseMimeType: "application/json",
    responseSchema: {
      type: "object",
      properties: {
        agent: { type: "string", format: "enum", enum: ["facilitator", "technical", "creative"] },
        reply: { type: "string" },
        handoff: { type: "string", nullable: true },
      },
      required: ["agent", "reply"],
      propertyOrdering: ["agent", "reply", "handoff"],
    },
  });
  expect(JSON.stringify(sent())).not.toMatch(/additionalProperties|minLength/u);
});

it.each([
  ["gemini-3.5-flash-lite", { temperature: 0.3, thinkingConfig: { thinkingLevel: "low" } }],
  ["gemini-2.5-flash", { temperature: 0.3, thinkingConfig: { thinkingBudget: 0 } }],
  ["gemini-2.5-pro", { temperature: 0.3, thinkingConfig: { thinkingBudget: 128 } }],
  ["gemini-3.6-flash", { thinkingConfig: { thinkingLevel: "low" } }],
  ["gemini-3.10-pro", { thinkingConfig: { thinkingLevel: "low" } }],
  ["gemini-4-flash", {}],
  ["gemini-flash-latest", {}],
  ["gemma-4", {}],
])("sends %s nothing it would refuse", async (model, config) => {
  await ask({}, { model, temperature: 0.3 });
  expect(simulator.requests.at(-1)?.model).toBe(model);
  expect(sent()["generationConfig"]).toEqual({ maxOutputTokens: 500, ...config });
});

it.each([
  ["query", "RETRIEVAL_QUERY"],
  ["document", "RETRIEVAL_DOCUMENT"],
] as const)("sends dimensions and task of a %s with each text", async (task, taskType) => {
  await open({ embeddingDimensions: 256 }).embed({ texts: ["a b"], task, priority: "mention" }, patient);
  expect(simulator.requests.at(-1)).toMatchObject({
    operation: "embedContent",
    body: { outputDimensionality: 256, taskType },
  });
  await open({ embeddingDimensions: 256 }).embed({ texts: ["a", "b"], task, priority: "mention" }, patient);
  expect(simulator.requests.at(-1)).toMatchObject({
    operation: "batchEmbedContents",
    body: {
      requests: [
        { outputDimensionality: 256, taskType },
        { outputDimensionality: 256, taskType },
      ],
    },
  });
});

it("gives gemini-embedding-2 the task as words", async () => {
  const model = open({ embeddingModel: "gemini-embedding-2" });
  await model.embed({ texts: ["cat"], task: "query", priority: "mention" }, patient);
  expect(sent()["content"]).toMatchObject({ parts: [{ text: "task: search result | query: cat" }] });
  expect(sent()["taskType"]).toBeUndefined();
  expect(model.embedder.space).toBe("gemini-embedding-2@768");
});
