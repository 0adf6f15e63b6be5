import { soakFleet } from "../test/soak/fleet.ts";
import { machine } from "./machine.ts";

const messages = 10_000;
const kills = 100;
/** What must not happen once. */
const wrongs = [
  "lost",
  "doubled",
  "wrong",
  "unanswered",
  "queued",
  "undealt",
  "outOfOrder",
  "wrongVoice",
  "extraIdentifies",
  "quotaViolations",
  "unhandled",
] as const;

/** P10: what people saw of a fleet that was killed, paused and robbed of its servers a hundred times, as `npm run soak -- fleet` does with this seed. */
export async function benchKills(seed: number): Promise<object> {
  const { faults, ...report } = await soakFleet({ messages, kills, seed });
  const wrong = wrongs.reduce((sum, name) => sum + report[name], 0);
  return {
    bench: "p10",
    figures: { messages, kills, ...report },
    faults,
    goals: { wrong: 0 },
    // Nothing has no parts: over 1 says that there was something.
    ratioToGoal: { wrong: wrong === 0 ? 0 : 1 + wrong },
    machine: machine(),
  };
}
