import { parseArgs } from "node:util";
import { soakDiscord } from "./discord.ts";
import { soakFleet } from "./fleet.ts";

const usage = `npm run soak -- discord --messages 2000 --kills 20 --seed 1
Two processes of the bot on a simulated Discord and a Postgres server (POSTGRESQL_URL, or one of its own), stopped and killed at random.
npm run soak -- fleet --messages 10000 --kills 100 --seed 1
Two gateways and four workers on a Postgres and a Redis of their own, stopped, killed and paused at random, while these are restarted and emptied.
Each prints what people saw as JSON; exits 1 when anything was lost, doubled or out of order, with the story of those messages.
`;

const { values, positionals } = parseArgs({
  options: {
    messages: { type: "string", default: "2000" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
  },
  allowPositionals: true,
});

const soaks = { discord: soakDiscord, fleet: soakFleet } as const;
const soak = soaks[positionals[0] as keyof typeof soaks] ?? null;

if (soak !== null) {
  const [messages, kills, seed] = [values.messages, values.kills, values.seed].map(Number) as [number, number, number];
  const report = await soak({ messages, kills, seed });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  const faults = new Set([
    "lost",
    "doubled",
    "outOfOrder",
    "extraIdentifies",
    "wrongVoice",
    "quotaViolations",
    "unhandled",
  ]);
  if (Object.entries(report).some(([name, count]) => faults.has(name) && count > 0)) process.exitCode = 1;
} else {
  process.stderr.write(usage);
  process.exitCode = 78;
}
