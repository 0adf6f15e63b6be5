import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { advance } from "../../src/gateway/leases.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { openFreshDatabase } from "../connections/fresh-database.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";
import { startGateway } from "./one-gateway.ts";

const leaseMs = 2_000;
const hourMs = 3_600_000;
const patience = { timeout: 20_000, interval: 50 };

describe("a gateway", () => {
  let database: Database;
  let simulator: DiscordSimulator;
  let gateway: Component;
  let lines: readonly Record<string, unknown>[];
  let isAway: boolean;
  beforeEach(async () => {
    isAway = false;
    [database, simulator] = await Promise.all([openFreshDatabase(), startDiscordSimulator()]);
    const query: Database["query"] = async (...asked) => {
      if (isAway) throw new Error("the database is away");
      return database.query(...asked);
    };
    ({ gateway, lines } = await startGateway(simulator.url, {
      database: { ...database, query },
      leaseMs,
      holdEvents: 100,
      store: (lease, _heard, progress) => database.transaction((tx) => advance(tx, lease, progress)),
      onHeard: () => {},
    }));
    await isHealthy();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    isAway = false;
    await gateway.stop(AbortSignal.timeout(5_000));
    await Promise.all([database.close(), simulator.close()]);
  });
  const isHealthy = () =>
    vi.waitFor(
      async () => expect(await gateway.check?.(AbortSignal.timeout(1_000))).toMatchObject({ status: "healthy" }),
      patience,
    );
  const jump = (ms: number) => {
    const real = Date.now.bind(Date);
    vi.spyOn(Date, "now").mockImplementation(() => real() + ms);
  };
  const leaseLeftMs = async () => {
    const [row] = await database.query<{ ms: number }>(
      "select extract(epoch from lease_until - now())::float8 * 1000 as ms from shards",
    );
    return row?.ms ?? 0;
  };

  it("renews its leases also when its clock goes back an hour", async () => {
    jump(-hourMs);
    // What was granted before the jump has an hour more to go, by a database whose clock has jumped as well.
    await vi.waitFor(async () => expect(await leaseLeftMs()).toBeLessThanOrEqual(leaseMs), patience);
    expect(await leaseLeftMs()).toBeGreaterThan(0);
  });

  it("does not take Discord for silent when its clock goes forward an hour", async () => {
    jump(hourMs);
    expect(await gateway.check?.(AbortSignal.timeout(1_000))).toMatchObject({ status: "healthy" });
  });

  it("that has not been able to renew its lease for the length of it, and loses its connection, connects again only when it has", async () => {
    isAway = true;
    await vi.waitFor(
      () => expect(lines.filter(({ msg }) => msg === "leases could not be looked at").length).toBeGreaterThan(5),
      patience,
    );
    simulator.faults.cut();
    const waits = () => lines.filter(({ msg }) => msg === "the lease has run out unrenewed: waiting to connect");
    await vi.waitFor(() => expect(waits()).toHaveLength(1), patience);
    expect(simulator.report()).toMatchObject({ connections: 1, liveSockets: 0 });
    isAway = false;
    await isHealthy();
    expect(simulator.report()).toMatchObject({ connections: 2, liveSockets: 1, identifies: 1, resumeds: 1 });
  });
});
