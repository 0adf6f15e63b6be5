import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Started } from "../turns.ts";

/** Starts the plain discord.js bot, and resolves when its guilds have come. */
export async function startPlainBot(env: Readonly<Record<string, string>>): Promise<Started> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "plain-bot-main.ts")], {
    env: { PATH: process.env["PATH"] ?? "", DISCORD_TOKEN: "sim-reception-token-0000", NODE_ENV: "production", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`the plain bot ended with ${code}`))),
  ]);
  return {
    pid: child.pid,
    stop: async () => {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}
