import { describe, expect, it } from "vitest";
import { readConfig, showConfig } from "../../src/config.ts";
import { lines, openServer } from "./open-server.ts";

const token = "canary-4be1-status-token";
const guarded = ["/status", "/metrics", "/status/", "/metrics?x=1"];

describe("with STATUS_TOKEN", () => {
  const ask = (authorization: string | null) => ({ headers: authorization === null ? {} : { authorization } });

  it.each(guarded)("%s is shown to whoever brings it", async (path) => {
    const { get } = await openServer({ statusToken: token });
    for (const header of [`Bearer ${token}`, `bearer ${token}`])
      expect((await get(path, ask(header))).code, header).toBe(200);
    expect((await get(path, { method: "HEAD", ...ask(`Bearer ${token}`) })).code).toBe(200);
  });

  it.each(guarded)("%s is 401 to everybody else, in one form and without a word of what is in it", async (path) => {
    const { get } = await openServer({ statusToken: token });
    const wrong = [
      null,
      "",
      token,
      "Bearer",
      "Bearer ",
      `Bearer ${token.slice(0, -1)}`,
      `Bearer ${token}x`,
      `Bearer ${token.toUpperCase()}`,
      `Bearer ${token} ${token}`,
      `Basic ${token}`,
      `Basic ${Buffer.from(`admin:${token}`).toString("base64")}`,
    ];
    for (const header of wrong) {
      const answer = await get(path, ask(header));
      expect(answer.code, String(header)).toBe(401);
      expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="discord-agent"');
      expect(answer.json).toEqual({
        error: "this wants the bearer token of STATUS_TOKEN",
        status_code: 401,
        timestamp: expect.any(String),
      });
    }
    expect((await get(`${path}${path.includes("?") ? "&" : "?"}token=${token}`)).code).toBe(401);
    expect(lines.join("")).not.toContain("canary");
  });

  it("probes are answered without it, and methods and paths are refused as ever", async () => {
    const { get } = await openServer({ statusToken: token });
    for (const path of ["/health", "/health/live", "/health/ready"]) expect((await get(path)).code).toBe(200);
    expect((await get("/status", { method: "POST" })).code).toBe(405);
    expect((await get("/nothing")).code).toBe(404);
  });
});

it("without STATUS_TOKEN /status and /metrics are open", async () => {
  const { get } = await openServer();
  for (const path of guarded) expect((await get(path)).code).toBe(200);
});

it("STATUS_TOKEN is refused when it can be guessed or not be sent, and is shown nowhere", () => {
  for (const bad of ["fifteen-letters", "two words and more words", "sixteen-lettérs!", "new\nline-in-a-token"])
    expect(() => readConfig({ STATUS_TOKEN: bad })).toThrow(/^STATUS_TOKEN: the value is not at least 16/);
  const config = readConfig({ STATUS_TOKEN: token });
  expect(config.statusToken).toBe(token);
  expect(JSON.stringify(showConfig(config))).not.toContain("canary");
  expect(showConfig(config)).toMatchObject({ statusToken: "set" });
});
