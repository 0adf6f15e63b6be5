import { afterEach, expect, it } from "vitest";
import { startGeminiSimulator, type Simulator, type SimulatorOptions } from "./simulator.ts";

let simulator: Simulator | null = null;
afterEach(() => simulator?.stop());

const start = async (options: SimulatorOptions = {}) => {
  simulator = await startGeminiSimulator(options);
  const { url } = simulator;
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { "x-goog-api-key": "x" },
      body: JSON.stringify(body),
    });
    const raw = await response.text();
    return { status: response.status, raw, json: () => JSON.parse(raw) as Record<string, unknown> };
  };
  return { simulator, url, post, generate: (body: unknown) => post("/v1beta/models/flash:generateContent", body) };
};

const say = (text: string) => ({ contents: [{ role: "user", parts: [{ text }] }] });

it("counts what breaks a limit, per model and in a sliding minute, without refusing it", async () => {
  const clock = { now: Date.parse("2026-06-01T12:00:00Z") };
  const { simulator: one, post, generate } = await start({ requestsPerMinute: 2, now: () => clock.now });
  await generate(say("1"));
  clock.now += 30_000;
  await generate(say("2"));
  expect((await generate(say("3"))).status).toBe(200);
  await post("/v1beta/models/pro:generateContent", say("another model"));
  clock.now += 30_000;
  await generate(say("4"));
  expect(one.violations).toEqual([
    { model: "flash", limit: "requests_per_minute", at: "2026-06-01T12:00:30.000Z", counted: 3, allowed: 2 },
  ]);
});

it("refuses what breaks a limit when told to, with the time to wait", async () => {
  const { generate } = await start({ requestsPerMinute: 1, enforce: true });
  await generate(say("1"));
  const refused = await generate(say("2"));
  expect(refused.status).toBe(429);
  expect(refused.raw).toMatch(/PerMinute.*"retryDelay":"\d+s"/u);
});

it("is scripted over HTTP, for the requests it names and as often as told", async () => {
  const { url, post, generate } = await start();
  await post("/control/script", [{ when: "weather", reply: "Rain.", times: 2 }, { fault: "503" }]);
  expect((await generate(say("hello"))).status).toBe(503);
  for (const expected of ["Rain.", "Rain.", "Simulated reply to: weather"]) {
    expect((await generate(say("weather"))).raw).toContain(expected);
  }
  const report = (await (await fetch(`${url}/control/report`)).json()) as Record<string, unknown>;
  expect(report).toMatchObject({ requests: { generateContent: 4 }, violations: [], scripted: 0 });
  expect(await (await fetch(`${url}/control/requests`)).json()).toHaveLength(4);
});

it("quotes what it is told to look for, where it stands last in the prompt", async () => {
  const { simulator: one, generate } = await start();
  one.script({ quotes: "(?<=<message>.*)cat \\d+", times: null });
  const answer = await generate(say("<line>cat 1</line>\n<message>my cat 2 and cat 34</message>\n<line>cat 5</line>"));
  expect(answer.raw).toContain('"Simulated reply to: cat 34"');
  expect((await generate(say("my dog"))).raw).toContain('"Simulated reply to: "');
});

it("asks for a function, and answers in text when the response is brought", async () => {
  const { simulator: one, generate } = await start();
  one.script({ functionCall: { name: "search", args: { words: "cat" } }, times: null });
  expect((await generate(say("find my cat"))).raw).toContain('"functionCall":{"name":"search"');
  const brought = { role: "function", parts: [{ functionResponse: { name: "search", response: { found: 1 } } }] };
  const answer = await generate({ contents: [...say("find my cat").contents, brought] });
  expect(answer.raw).toContain("Simulated reply to: find my cat");
});

it("embeds up to 100 texts in as many dimensions as asked, the same text always the same", async () => {
  const { post } = await start();
  const one = { content: { parts: [{ text: "a cat" }] }, outputDimensionality: 16 };
  const batch = (count: number) =>
    post("/v1beta/models/e:batchEmbedContents", { requests: Array.from({ length: count }, () => one) });
  const { embeddings } = (await batch(100)).json() as { embeddings: { values: number[] }[] };
  expect(new Set(embeddings.map(({ values }) => JSON.stringify(values)))).toHaveLength(1);
  expect(embeddings[0]?.values).toHaveLength(16);
  expect((await batch(101)).status).toBe(400);
});

it("refuses a request without a key, for an unknown path, and one that is no JSON", async () => {
  const { url, post } = await start();
  expect((await fetch(`${url}/v1beta/models/flash:generateContent`, { method: "POST", body: "{}" })).status).toBe(403);
  expect((await post("/v1/nothing", {})).status).toBe(404);
  const headers = { "x-goog-api-key": "x" };
  expect(
    (await fetch(`${url}/v1beta/models/flash:generateContent`, { method: "POST", headers, body: "{" })).status,
  ).toBe(400);
});
