// A real process with a small role, for run.test.ts: `node role.ts KIND`. What the parts do is written to stdout.
import { ForeseenError, Misconfigured } from "../../src/errors.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { runComponents } from "../../src/lifecycle/run.ts";
import { makeLogger } from "../../src/log.ts";

const kind = process.argv[2] ?? "good";
const tell = (line: string) => process.stdout.write(`${line}\n`);
const never = () => new Promise<never>(() => {});

function part(name: string, change: Partial<Component> = {}): Component {
  return {
    name,
    start: async () => void tell(`start ${name}`),
    stop: async () => void tell(`stop ${name}`),
    ...change,
  };
}

const kinds: Record<string, Partial<Component>> = {
  good: {},
  draining: {
    stop: async (deadline) => {
      tell("draining");
      await new Promise((resolve) => deadline.addEventListener("abort", resolve));
      tell("gave up");
    },
  },
  hanging: { stop: never },
  throwing: {
    stop: async () => {
      throw new Error("canary of a stop");
    },
  },
  misconfigured: {
    start: async () => {
      throw new Misconfigured([
        { where: "ONE", problem: "is wrong", remedy: "Set it right" },
        { where: "TWO", problem: "is wrong too", remedy: "Unset it" },
      ]);
    },
  },
  foreseen: {
    start: async () => {
      throw new ForeseenError("port_taken", "port 8000 is taken", { kind: "bury" });
    },
  },
  broken: {
    start: async () => {
      throw new TypeError("canary of a start");
    },
  },
  starting: {
    start: async (signal) => {
      tell("still starting");
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    },
  },
  fatal: { start: async (_signal, fatal) => void setTimeout(() => fatal(new Error("canary of a part")), 20) },
  throws: {
    start: async () =>
      void setTimeout(() => {
        throw new Error("canary of a timer");
      }, 20),
  },
  rejects: { start: async () => void setTimeout(() => void Promise.reject(new Error("canary of a promise")), 20) },
};

const alive = setInterval(() => {}, 1_000);
const run = runComponents({
  components: [part("first"), part("second", kinds[kind]), part("third")],
  waits: true,
  drainDeadlineMs: kind === "hanging" ? 100 : 500,
  log: makeLogger("info", { write: (line: string) => process.stderr.write(line) }),
  signals: process,
  exit: (code) => process.exit(code),
  complain: (sentence) => process.stderr.write(`${sentence}\n`),
});
alive.ref();
const watch = setInterval(() => {
  if (!run.isReady()) return;
  clearInterval(watch);
  tell("ready");
}, 1);
