import { parseArgs } from "node:util";
import { soakDiscord } from "./discord.ts";
import { soakFleet } from "./fleet.ts";
import { soakReflector } from "./reflector.ts";

const usage = `npm run soak -- discord --messages 2000 --kills 20 --seed 1
Two processes of the bot on a simulated Discord and a Postgres server (POSTGRESQL_URL, or one of its own), stopped and killed at random.
npm run soak -- fleet --messages 10000 --kills 100 --seed 1
Two gateways and four workers on a Postgres and a Redis of their own, stopped, killed and paused at random, while these are killed, restarted and emptied.
npm run soak -- reflector --minutes 10 --seed 1
The reflector on the disposable cluster of KUBECONFIG, its watch cut every second while objects change.
Each prints what people saw as JSON; exits 1 when anything was lost, doubled, wrong, missed or out of order, with the story of those messages.
`;

const { values, positionals } = parseArgs({
  options: {
    messages: { type: "string", default: "2000" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
  },
  allowPositionals: true,
});

const soaks = { discord: soakDiscord, fleet: soakFleet, reflector: soakReflector } as const;
const soak = soaks[positionals[0] as keyof typeof soaks] ?? null;

if (soak !== null) {
  const { messages, kills, seed, minutes } = values;
  const report = await soak({
    messages: Number(messages),
    kills: Number(kills),
    seed: Number(seed),
    minutes: Number(minutes),
  });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  const faults = new Set([
    "lost",
    "doubled",
    "wrong",
    "unanswered",
    "queued",
    "undealt",
    "outOfOrder",
    "extraIdentifies",
    "wrongVoice",
    "quotaViolations",
    "unhandled",
    "missed",
    "grew",
  ]);
  if (Object.entries(report).some(([name, count]) => faults.has(name) && count > 0)) process.exitCode = 1;
} else {
  process.stderr.write(usage);
  process.exitCode = 78;
}
