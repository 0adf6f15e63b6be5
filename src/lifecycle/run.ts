import type { EventEmitter } from "node:events";
import { ForeseenError, Misconfigured, asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Component } from "./component.ts";
import { makeParts } from "./parts.ts";

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof signalNumbers;

/** npm passes a Ctrl-C on to the process that the terminal has signalled already: two signals, one wish. */
const echoMs = 50;
export interface RunOptions {
  /** In start order; names are unique. */
  readonly components: readonly Component[];
  /** True: a part that cannot start yet is started again; false: the process ends and says why. */
  readonly waits: boolean;
  readonly drainDeadlineMs: number;
  readonly log: Logger;
  /** `process`, or something that emits what it emits. */
  readonly signals: EventEmitter;
  /**
   * Ends the process; called once, last. 0 stopped as asked, 1 failed, 78 misconfigured (EX_CONFIG), 128 + n ended at
   * once by a second signal n.
   */
  readonly exit: (code: number) => void;
  /** Takes the plain sentences about a misconfiguration, for a person to read; standard error in production. */
  readonly complain: (sentence: string) => void;
}

/** A role that runs. */
export interface Run {
  state(): "starting" | "running" | "stopping" | "stopped";
  /** Every part has started and no stop was asked for. */
  isReady(): boolean;
  hasStarted(component: Component): boolean;
  /** Why a part has not started yet, for operators; null when it has, or nothing is in its way. */
  obstacleOf(component: Component): string | null;
  /** The part that reported a failure it cannot recover from; null as long as none has. */
  failedForGood(): string | null;
  /** Stops in order, as the first signal does. */
  requestStop(): void;
  /** What a signal does: the first stops in order, another one exits at once (but never SIGHUP, which shells repeat). */
  interrupt(signal: StopSignal): void;
  /** Resolves when `exit` is called. */
  readonly ended: Promise<number>;
}

/** Starts the parts in order and stops them in reverse when asked to, or when one fails. Nothing starts before it returns. */
export function runComponents(options: RunOptions): Run {
  const { log } = options;
  const ended = Promise.withResolvers<number>();
  const stopAsked = Promise.withResolvers<void>();
  let state: ReturnType<Run["state"]> = "starting";
  let lost: string | null = null;
  let code = 0;
  let firstSignalMs: number | null = null;

  const requestStop = () => {
    if (state === "stopping" || state === "stopped") return;
    state = "stopping";
    stopAsked.resolve();
  };
  const fail = (error: Error, component: string, what: string) => {
    code ||= explain(options, error, component, what);
    requestStop();
  };
  const end = (exitCode: number) => {
    if (state === "stopped") return;
    state = "stopped";
    unlisten();
    options.exit(exitCode);
    ended.resolve(exitCode);
  };
  const interrupt = (signal: StopSignal) => {
    const now = performance.now();
    if (firstSignalMs === null) {
      firstSignalMs = now;
      log.info({ signal }, "stopping");
      requestStop();
    } else if (signal !== "SIGHUP" && now - firstSignalMs > echoMs) {
      log.warn({ signal }, "a second signal: ending at once");
      end(128 + signalNumbers[signal]);
    }
  };
  const unlisten = listen(options.signals, interrupt, (error) => fail(error, "process", "a bug, nobody caught this"));
  const parts = makeParts(options, (error, component, forGood) => {
    if (forGood) lost ??= component.name;
    fail(error, component.name, forGood ? "failed for good" : "could not start");
  });
  void (async () => {
    await Promise.resolve();
    void parts.start().then(() => {
      if (state === "starting") state = "running";
    });
    await stopAsked.promise;
    if (!(await parts.stop())) code ||= 1;
    end(code);
  })();

  return {
    state: () => state,
    isReady: () => state === "running",
    hasStarted: (component) => parts.isUp(component),
    obstacleOf: (component) => parts.obstacleOf(component),
    failedForGood: () => lost,
    requestStop,
    interrupt,
    ended: ended.promise,
  };
}

/** Tells people and the log why it failed; returns the exit code that says so. */
function explain({ log, complain }: RunOptions, error: Error, component: string, what: string): 1 | 78 {
  if (error instanceof Misconfigured) {
    complain(error.message);
    return 78;
  }
  if (error instanceof ForeseenError)
    log.fatal({ component, code: error.code }, `${component} ${what}: ${error.message}`);
  else log.fatal({ component, err: error }, `${component}: ${what}`);
  return 1;
}

function listen(
  signals: EventEmitter,
  interrupt: (signal: StopSignal) => void,
  bug: (error: Error) => void,
): () => void {
  const listeners: [string, (value: unknown) => void][] = [
    ["uncaughtException", (thrown) => bug(asError(thrown))],
    ["unhandledRejection", (thrown) => bug(asError(thrown))],
    ...Object.keys(signalNumbers).map((name): [string, () => void] => [name, () => interrupt(name as StopSignal)]),
  ];
  for (const [event, listener] of listeners) signals.on(event, listener);
  return () => {
    for (const [event, listener] of listeners) signals.off(event, listener);
  };
}
