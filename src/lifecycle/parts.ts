import { setTimeout as wait } from "node:timers/promises";
import { asError, mayPass } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Component } from "./component.ts";

/** What parts get to give up in when the drain deadline has passed, all of them together. */
const graceMs = 2_000;
const startAgainMs = 2_000;

/** The components of a role as one: started in order, stopped in reverse. */
export interface Parts {
  /** Resolves when all have started, when one failed to (`failed` then heard of it), or when `stop` interrupted it. */
  start(): Promise<void>;
  /** Stops those whose start was begun; false when one hung or threw. Call it once. */
  stop(): Promise<boolean>;
  /** Started, and not told to stop yet. */
  isUp(component: Component): boolean;
  /** Why it has not started yet, for operators; null when it has, or nothing is in its way. */
  obstacleOf(component: Component): string | null;
}

/** `failed`: a part could not start, or reported a failure `forGood` afterwards. */
export function makeParts(
  options: { components: readonly Component[]; waits: boolean; drainDeadlineMs: number; log: Logger },
  failed: (error: Error, component: Component, forGood: boolean) => void,
): Parts {
  const begun: Component[] = [];
  const up = new Set<Component>();
  const obstacles = new Map<Component, string>();
  const starting = new AbortController();
  let started = Promise.resolve();

  const startInOrder = async () => {
    for (const component of options.components) {
      if (starting.signal.aborted) return;
      begun.push(component);
      try {
        const cannotYet = (why: string) => obstacles.set(component, why);
        await startOnceItCan(component, { ...options, cannotYet }, starting.signal, (error) =>
          failed(error, component, true),
        );
        up.add(component);
      } catch (error) {
        // A start that was told to give up has nothing more to say.
        if (!starting.signal.aborted) failed(asError(error), component, false);
        return;
      }
    }
  };
  return {
    start: () => (started = startInOrder()),
    stop: () => {
      starting.abort();
      const steps = begun.toReversed().map((component) => ({
        name: component.name,
        run: (deadline: AbortSignal) => {
          up.delete(component);
          return component.stop(deadline);
        },
      }));
      return runSteps([{ name: begun.at(-1)?.name ?? "nothing", run: () => started }, ...steps], options);
    },
    isUp: (component) => up.has(component),
    obstacleOf: (component) => {
      if (up.has(component) || starting.signal.aborted || !begun.includes(component)) return null;
      return component.obstacle?.() ?? obstacles.get(component) ?? null;
    },
  };
}

/** What may pass by itself, such as a server that is away, is waited for; what another try does not change is thrown at once. */
async function startOnceItCan(
  component: Component,
  { waits, cannotYet, log }: { waits: boolean; cannotYet: (why: string) => void; log: Logger },
  signal: AbortSignal,
  fatal: (error: Error) => void,
): Promise<void> {
  for (let told = ""; ;) {
    try {
      return await component.start(signal, fatal);
    } catch (error) {
      if (!waits || !mayPass(error) || signal.aborted) throw error;
      const { name } = component;
      cannotYet(error.message);
      if (error.code !== told)
        log.warn({ component: name, code: error.code }, `${name} cannot start yet: ${error.message}`);
      told = error.code;
    }
    await wait(startAgainMs, undefined, { signal });
  }
}

type Step = { readonly name: string; readonly run: (deadline: AbortSignal) => Promise<void> };

async function runSteps(
  steps: readonly Step[],
  { drainDeadlineMs, log }: { drainDeadlineMs: number; log: Logger },
): Promise<boolean> {
  const deadline = new AbortController();
  const overdue = Promise.withResolvers<"hung">();
  let current = "";
  const draining = setTimeout(() => {
    log.warn(
      { component: current },
      `the drain deadline has passed while ${current} was stopping; it gives up what is in flight`,
    );
    deadline.abort();
  }, drainDeadlineMs);
  const waiting = setTimeout(() => overdue.resolve("hung"), drainDeadlineMs + graceMs);
  let clean = true;
  for (const { name, run } of steps) {
    current = name;
    const outcome = await Promise.race([overdue.promise, errorOf(run, deadline.signal)]);
    if (outcome === "hung") log.error({ component: name }, `${name} did not stop in time; ending without it`);
    else if (outcome) log.error({ component: name, err: outcome }, `${name} threw while stopping, which is a bug`);
    clean &&= outcome === null;
    if (outcome === "hung") break;
  }
  clearTimeout(draining);
  clearTimeout(waiting);
  return clean;
}

async function errorOf(run: Step["run"], deadline: AbortSignal): Promise<Error | null> {
  try {
    await run(deadline);
    return null;
  } catch (error) {
    return asError(error);
  }
}
