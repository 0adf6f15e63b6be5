import { setTimeout } from "node:timers/promises";

/** A pod may take its time on a busy machine. */
export const patience = { timeout: 120_000, interval: 250 };

/** Resolves to what `check` resolves to once it does; rejects with its last reason after `timeout` milliseconds. For benches too, which no runner runs. */
export async function until<T>(
  check: () => Promise<T>,
  { timeout, interval }: { timeout: number; interval: number },
): Promise<T> {
  for (const end = Date.now() + timeout; ; await setTimeout(interval)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
  }
}
