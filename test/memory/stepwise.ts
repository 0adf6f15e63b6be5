/** Work that is done in steps, so that a test may do something else between two of them. */
export interface Stepwise {
  /** Goes on to the next pause, or to the end; after that it does nothing. Rejects when the work does. */
  advance(): Promise<void>;
}

/** Work that calls `pause` between its steps; nothing is done before the first `advance`. */
export function makeStepwise(work: (pause: () => Promise<void>) => Promise<void>): Stepwise {
  let begun = false;
  let ended = false;
  let goOn = () => {};
  let reached = Promise.withResolvers<void>();
  const pause = () =>
    new Promise<void>((resolve) => {
      goOn = resolve;
      reached.resolve();
    });
  const run = async () => {
    await work(pause).finally(() => {
      ended = true;
    });
  };
  return {
    advance: async () => {
      if (ended) return;
      reached = Promise.withResolvers();
      const { promise } = reached;
      if (begun) goOn();
      else
        run().then(
          () => reached.resolve(),
          (error: unknown) => reached.reject(error),
        );
      begun = true;
      await promise;
    },
  };
}

/** Every order in which so many steps of each of several works can follow each other: lists of the number of the work whose turn it is. */
export function interleave(steps: readonly number[]): number[][] {
  if (steps.every((left) => left === 0)) return [[]];
  return steps.flatMap((left, who) =>
    left === 0 ? [] : interleave(steps.with(who, left - 1)).map((rest) => [who, ...rest]),
  );
}
