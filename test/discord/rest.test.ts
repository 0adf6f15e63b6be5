import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pino } from "pino";
import { makeDiscordRest, makeRefusalCounter, type DiscordRest } from "../../src/discord/rest.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { neverOpen } from "../resilience/unguarded.ts";

const never = new AbortController().signal;
const mostInvalid = 5_000;

describe("requests that Discord refuses", () => {
  let simulator: DiscordSimulator;
  let rest: DiscordRest;
  let other: DiscordRest;
  /** What all tokens of one of so many processes have in common. */
  const processOf = (processes: number) => ({
    processes: () => processes,
    breaker: neverOpen(),
    refusals: makeRefusalCounter(() => processes),
    api: `${simulator.url}/api`,
    metrics: makeMetrics(),
    log: pino({ level: "silent" }),
  });
  beforeEach(async () => {
    simulator = await startDiscordSimulator();
    const common = processOf(1);
    rest = makeDiscordRest({ ...common, name: "the bot", token: "sim-reception-token-0000" });
    const token = "sim-teo-token-0000000000";
    simulator.world.addBot({ name: "teo", token });
    other = makeDiscordRest({ ...common, name: "teo", token });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await simulator.close();
  });
  const me = () => rest.call<{ id: string }>({ method: "GET", path: "/users/@me", repeatable: true }, never);
  /** Of all routes the one that the library does not slow down. */
  const ask = (one: DiscordRest) =>
    one
      .call({ method: "POST", path: "/interactions/1/x/callback", auth: false, body: {}, repeatable: false }, never)
      .catch((error: { code: string }) => error.code);
  const beRefused = (_: unknown, index: number) => ask(index % 2 === 0 ? rest : other);
  const beForbidden = () =>
    simulator.faults.add({ on: "rest", fault: "error", status: 403, path: "/callback$", times: null });
  const arrived = () => Object.values(simulator.report().restRequests).reduce((sum, count) => sum + count, 0);

  it("are counted, those of all tokens together: long before the address is banned nothing is sent, and again after ten minutes", async () => {
    beForbidden();
    for (let sent = 0; sent < mostInvalid; sent += 100) {
      const codes = await Promise.all(Array.from({ length: 100 }, beRefused));
      expect(new Set(codes)).toEqual(new Set(["discord_refused"]));
    }
    for (const one of [rest, other]) expect(one.stopped()).toMatch(/refused too many requests in ten minutes/);
    await expect(me()).rejects.toMatchObject({ code: "discord_unauthorized", disposition: { kind: "retry" } });
    expect(arrived()).toBe(mostInvalid);
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 620_000);
    expect(await me()).toMatchObject({ id: simulator.world.reception.id });
    expect(rest.stopped()).toBeNull();
  });

  it("are shared by the processes that speak, for Discord counts those of one address together", async () => {
    beForbidden();
    for (const name of ["one of fifty", "another"]) {
      const process = makeDiscordRest({ ...processOf(50), name, token: "sim-reception-token-0000" });
      while (process.stopped() === null) await Promise.all(Array.from({ length: 50 }, () => ask(process)));
    }
    expect(arrived()).toBe((2 * mostInvalid) / 50);
  });

  it("and one that it never answers are foreseen: whoever sets a deadline hears of Discord, whoever hangs up of themselves", async () => {
    simulator.faults.add({ on: "rest", fault: "hang", path: "/users/@me$", times: null });
    const askMe = (signal: AbortSignal) => rest.call({ method: "GET", path: "/users/@me", repeatable: true }, signal);
    await expect(askMe(AbortSignal.timeout(200))).rejects.toMatchObject({
      code: "discord_unavailable",
      disposition: { kind: "retry" },
    });
    const gone = new AbortController();
    const asked = askMe(gone.signal);
    gone.abort(new Error("revoked"));
    await expect(asked).rejects.toThrow("revoked");
  });

  it("for the token are the last ones of that token", async () => {
    simulator.faults.revokeToken(simulator.world.reception);
    await expect(me()).rejects.toMatchObject({ code: "discord_unauthorized" });
    await expect(me()).rejects.toMatchObject({ code: "discord_unauthorized" });
    expect(arrived()).toBe(1);
    expect([rest.stopped(), other.stopped()]).toEqual([expect.stringContaining("token of the bot"), null]);
  });

  it("for a limit without a time, as Cloudflare does, are not repeated at once", async () => {
    simulator.faults.add({ on: "rest", fault: "html", status: 429, times: null });
    await expect(me()).rejects.toMatchObject({ code: "discord_busy", disposition: { kind: "retry", afterMs: 10_000 } });
    expect(arrived()).toBe(1);
  });
});
