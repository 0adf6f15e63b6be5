import { parseArgs } from "node:util";
import { soakDiscord } from "./discord.ts";

const usage = `npm run soak -- discord --messages 2000 --kills 20 --seed 1
Two processes of the bot on a simulated Discord and a Postgres server (POSTGRESQL_URL, or one of its own), stopped and killed at random.
Prints what people saw as JSON; exits 1 when anything was lost, doubled or out of order, with the story of those messages.
`;

const { values, positionals } = parseArgs({
  options: {
    messages: { type: "string", default: "2000" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
  },
  allowPositionals: true,
});

if (positionals[0] === "discord") {
  const [messages, kills, seed] = [values.messages, values.kills, values.seed].map(Number) as [number, number, number];
  const report = await soakDiscord({ messages, kills, seed });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  if (report.lost + report.doubled + report.outOfOrder + report.extraIdentifies > 0) process.exitCode = 1;
} else {
  process.stderr.write(usage);
  process.exitCode = 78;
}
