import { spawn, type ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ForeseenError } from "../../src/errors.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { runComponents, type Run } from "../../src/lifecycle/run.ts";
import { makeLogger } from "../../src/log.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

interface Role {
  readonly child: ChildProcess;
  out: string;
  err: string;
  readonly ended: Promise<number | null>;
}

function startRole(kind: string): Role {
  const child = spawn(process.execPath, [join(import.meta.dirname, "role.ts"), kind]);
  children.push(child);
  const role: Role = {
    child,
    out: "",
    err: "",
    ended: new Promise((resolve) => child.on("exit", (code) => resolve(code))),
  };
  child.stdout.on("data", (chunk) => (role.out += String(chunk)));
  child.stderr.on("data", (chunk) => (role.err += String(chunk)));
  return role;
}

async function sees(role: Role, line: string): Promise<void> {
  await vi.waitFor(() => expect(role.out).toContain(line), { timeout: 10_000, interval: 5 });
}

describe("a real process", () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("stops in reverse order after %s and exits 0", async (signal) => {
    const role = startRole("good");
    await sees(role, "ready");
    role.child.kill(signal);
    expect(await role.ended).toBe(0);
    expect(role.out.trim().split("\n")).toEqual([
      "start first",
      "start second",
      "start third",
      "ready",
      "stop third",
      "stop second",
      "stop first",
    ]);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends at once at a second signal, %s with %i", async (signal, code) => {
    const role = startRole("draining");
    await sees(role, "ready");
    role.child.kill("SIGINT");
    await sees(role, "draining");
    const firstMs = performance.now();
    await vi.waitFor(() => expect(performance.now() - firstMs).toBeGreaterThan(60));
    role.child.kill(signal);
    expect(await role.ended).toBe(code);
    expect(role.out).not.toContain("gave up");
  });

  it("takes the two signals of one Ctrl-C under npm, and of a closed terminal, for one wish", async () => {
    for (const signal of ["SIGINT", "SIGHUP"] as const) {
      const role = startRole("draining");
      await sees(role, "ready");
      role.child.kill(signal);
      role.child.kill(signal);
      await sees(role, "draining");
      if (signal === "SIGHUP") role.child.kill(signal);
      expect(await role.ended).toBe(0);
      expect(role.out).toContain("gave up");
    }
  });

  it("gives parts until the drain deadline, then lets them give up", async () => {
    const role = startRole("draining");
    await sees(role, "ready");
    role.child.kill("SIGTERM");
    expect(await role.ended).toBe(0);
    expect(role.out).toMatch(/stop third\ndraining\ngave up\nstop first\n$/);
    expect(role.err).toContain("the drain deadline has passed while second was stopping");
  });

  it("ends without a part that hangs, names it and exits 1", async () => {
    const role = startRole("hanging");
    await sees(role, "ready");
    role.child.kill("SIGTERM");
    expect(await role.ended).toBe(1);
    expect(role.err).toContain("second did not stop in time");
  });

  it("stops the others when one throws while stopping, and exits 1", async () => {
    const role = startRole("throwing");
    await sees(role, "ready");
    role.child.kill("SIGTERM");
    expect(await role.ended).toBe(1);
    expect(role.out).toContain("stop first");
    expect(role.err).toContain("canary of a stop");
  });

  it("prints every fault of a misconfiguration as a sentence, exits 78, and stops what had started", async () => {
    const role = startRole("misconfigured");
    expect(await role.ended).toBe(78);
    expect(role.err).toBe("ONE: is wrong. Set it right\nTWO: is wrong too. Unset it\n");
    expect(role.out).toBe("start first\nstop second\nstop first\n");
  });

  it("says in one line why it could not start, without a stack when it was foreseen, and exits 1", async () => {
    const foreseen = startRole("foreseen");
    expect(await foreseen.ended).toBe(1);
    expect(JSON.parse(foreseen.err)).toMatchObject({ level: "fatal", component: "second", code: "port_taken" });
    expect(foreseen.err).not.toContain("role.ts");
    const broken = startRole("broken");
    expect(await broken.ended).toBe(1);
    expect(JSON.parse(broken.err)).toMatchObject({
      component: "second",
      err: { stack: expect.stringContaining("role.ts") },
    });
  });

  it("can be stopped while it starts", async () => {
    const role = startRole("starting");
    await sees(role, "still starting");
    role.child.kill("SIGTERM");
    expect(await role.ended).toBe(0);
    expect(role.out).toBe("start first\nstill starting\nstop second\nstop first\n");
  });

  it.each(["fatal", "throws", "rejects"])(
    "stops in order and exits 1 when something breaks later: %s",
    async (kind) => {
      const role = startRole(kind);
      expect(await role.ended).toBe(1);
      expect(role.out.endsWith("stop third\nstop second\nstop first\n")).toBe(true);
      expect(role.err).toContain("canary of a");
      expect(role.err).toContain("role.ts");
    },
  );
});

describe("the state", () => {
  const log = makeLogger("silent", { write: () => {} });
  const signals = new EventEmitter();
  const exits: number[] = [];
  function run(...given: ({ waits: boolean } | Component)[]): Run {
    exits.length = 0;
    const components = given.filter((one) => "name" in one);
    return runComponents({
      components,
      waits: given.some((one) => "waits" in one && one.waits),
      drainDeadlineMs: 1_000,
      log,
      signals,
      exit: (code) => exits.push(code),
      complain: () => {},
    });
  }

  it("turns unready before anything is stopped", async () => {
    const seen: unknown[] = [];
    const one: Component = {
      name: "one",
      start: async () => void seen.push(role.state(), role.isReady(), role.hasStarted(one)),
      stop: async () => void seen.push(role.state(), role.isReady(), role.hasStarted(one)),
    };
    const role = run(one);
    expect([role.state(), seen]).toEqual(["starting", []]);
    await vi.waitFor(() => expect(role.isReady()).toBe(true));
    expect([role.state(), role.hasStarted(one), role.failedForGood()]).toEqual(["running", true, null]);
    role.requestStop();
    expect(role.isReady()).toBe(false);
    expect(await role.ended).toBe(0);
    expect(seen).toEqual(["starting", false, false, "stopping", false, false]);
    expect([role.state(), exits, signals.eventNames()]).toEqual(["stopped", [0], []]);
  });

  it("says why a part cannot start yet: by its own word, or by what its start failed with", async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let obstacle: string | null = null;
    let tries = 0;
    const one: Component = {
      name: "one",
      start: async () => {
        tries += 1;
        if (tries === 1) throw new ForeseenError("away", "the server is away", { kind: "retry", afterMs: 1 });
        await gates[0]?.promise;
      },
      stop: async () => {},
    };
    const two: Component = {
      name: "two",
      obstacle: () => obstacle,
      start: () => gates[1]?.promise ?? Promise.resolve(),
      stop: async () => {},
    };
    const role = run({ waits: true }, one, two);
    await vi.waitFor(() => expect(role.obstacleOf(one)).toBe("the server is away"));
    expect(role.obstacleOf(two), "its start has not begun").toBeNull();
    gates[0]?.resolve();
    await vi.waitFor(() => expect(role.hasStarted(one)).toBe(true), { timeout: 5_000 });
    expect([role.obstacleOf(one), role.obstacleOf(two)]).toEqual([null, null]);
    obstacle = "nobody is there";
    expect(role.obstacleOf(two)).toBe("nobody is there");
    gates[1]?.resolve();
    await vi.waitFor(() => expect(role.isReady()).toBe(true));
    expect(role.obstacleOf(two)).toBeNull();
    role.requestStop();
    await role.ended;
  });

  it("names the part that failed for good", async () => {
    const role = run({
      name: "one",
      start: async (_signal, fatal) => void setImmediate(() => fatal(new Error("gone"))),
      stop: async () => {},
    });
    expect(await role.ended).toBe(1);
    expect(role.failedForGood()).toBe("one");
  });

  it("a signal after a requested stop is a first one: the reader of a closed terminal leaves, then SIGHUP comes", async () => {
    const stopping = Promise.withResolvers<void>();
    const role = run({ name: "one", start: async () => {}, stop: () => stopping.promise });
    await vi.waitFor(() => expect(role.isReady()).toBe(true));
    role.requestStop();
    signals.emit("SIGINT");
    expect(role.state()).toBe("stopping");
    stopping.resolve();
    expect(await role.ended).toBe(0);
  });

  it("ends once, even when a second signal overtakes the stop", async () => {
    const stopping = Promise.withResolvers<void>();
    const role = run({ name: "one", start: async () => {}, stop: () => stopping.promise });
    await vi.waitFor(() => expect(role.isReady()).toBe(true));
    role.interrupt("SIGINT");
    const firstMs = performance.now();
    await vi.waitFor(() => expect(performance.now() - firstMs).toBeGreaterThan(60));
    role.interrupt("SIGTERM");
    stopping.resolve();
    expect(await role.ended).toBe(143);
    expect(exits).toEqual([143]);
  });
});
