import { parseArgs } from "node:util";
import { benchDiscord } from "./discord.ts";
import { benchHotMemory, benchStart, benchTurns } from "./fleet.ts";
import { benchKills } from "./kills.ts";
import { benchKubernetes } from "./kubernetes.ts";
import { benchLaptop } from "./laptop.ts";
import { benchLocomo } from "./locomo.ts";
import { saveResult, writePage } from "./page.ts";
import { benchQuota } from "./quota.ts";
import { benchServerRecall } from "./recall-server.ts";
import { benchThroughput } from "./throughput.ts";

const usage = `npm run bench -- laptop                 start, overhead, recall and memory of the laptop setup
npm run bench -- discord                storing, answering, memory and hand-over on a simulated Discord
npm run bench -- p1                     our own time per turn at 20 messages a second, and calls of the model per answer (P8)
npm run bench -- p2                     messages a second with a model that answers at once, beside LangGraph with PostgresSaver
npm run bench -- p3                     today's conversation in Redis
npm run bench -- p4                     recall of 100,000 memories on a server, beside PostgresStore and mem0
npm run bench -- p9                     start and memory of gateways and workers
npm run bench -- p7 --minutes 5         a model's limits shared by 20 processes
npm run bench -- p10 --seed 1           10,000 messages to a fleet that is killed a hundred times
npm run bench -- locomo --data FOLDER   evidence recall on LoCoMo's conversation files
npm run bench -- kubernetes             changes of Agents, starts of pods, requests and memory on the disposable cluster of KUBECONFIG
npm run bench -- page                   writes docs/benchmarks.md from what was kept

Peers are compared with where npm install --prefix bench has installed them.
--save keeps what is printed for the page.
`;

const { values, positionals } = parseArgs({
  options: {
    data: { type: "string" },
    rounds: { type: "string", default: "5" },
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    save: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

const [which] = positionals;
if (which === "laptop") print(await benchLaptop(Number(values.rounds)));
else if (which === "discord") print(await benchDiscord(Number(values.rounds)));
else if (which === "p1") print(await benchTurns(Number(values.rounds)));
else if (which === "p2") print(await benchThroughput(Number(values.rounds)));
else if (which === "p3") print(await benchHotMemory(Number(values.rounds)));
else if (which === "p4") print(await benchServerRecall(Number(values.rounds)));
else if (which === "p9") print(await benchStart(Number(values.rounds)));
else if (which === "p7") print(await benchQuota(Number(values.minutes)));
else if (which === "p10") print(await benchKills(Number(values.seed)));
else if (which === "locomo" && values.data !== undefined) print(await benchLocomo(values.data));
else if (which === "kubernetes") print(await benchKubernetes(Number(values.rounds)));
else if (which === "page") writePage();
else {
  process.stderr.write(usage);
  process.exitCode = 78;
}

function print(figures: object): void {
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  if (values.save && which !== undefined) saveResult(which === "p10" ? `p10-seed-${values.seed}` : which, figures);
}
