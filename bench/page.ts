import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "results");
const page = join(import.meta.dirname, "..", "docs", "benchmarks.md");

/** What every bench prints; figures without a goal are told without a verdict. */
interface Result {
  readonly bench: string;
  readonly rounds?: number;
  readonly figures: Readonly<Record<string, unknown>>;
  readonly goals: Readonly<Record<string, string | number>>;
  readonly ratioToGoal?: Readonly<Record<string, number>>;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly node: string;
    /** Versions of those that took part. */
    readonly peers?: Readonly<Record<string, string>>;
    readonly measuredAt: string;
  };
}

/** What a bench measures, and what is known about a goal that it misses. */
const titles: Readonly<Record<string, { readonly title: string; readonly note?: string; readonly missed?: string }>> = {
  laptop: { title: "A laptop: the embedded database, the offline model" },
  locomo: { title: "Retrieval quality on LoCoMo, without any model" },
  discord: {
    title: "Discord: hearing, answering, memory, hand-over",
    missed:
      "Time of an answer: two commits that wait for the disk, recall and two calls of the model (one embeds the question) follow each other, each some milliseconds of waiting; the processor is idle meanwhile.",
  },
  p1: {
    title: "P1, P8: our own time per turn at 20 messages a second on Postgres and Redis",
    missed:
      "By the receipts, in medians: 11 ms until it is taken up (stored by a commit that waits for the disk, taken up by six statements), 10 recall (the question is embedded first), 7 the model's call through the graph, 4 to speak. Each is waiting for another process: ours takes 40 % of a core, and Postgres, Redis and both simulators share the two cores with it. It is at the goal: the next run on the same machine had 25 and 56 ms, the one before, on another processor, 24 and 52.",
  },
  p2: {
    title: "P2: throughput of one process, beside LangGraph with PostgresSaver",
    missed:
      "The profiler, over both together: 30 % of the busy time are writes to sockets (ours sends some 13 statements, 2 commits, 5 scripts of Redis and 2 calls of the model a turn), 14 % LangGraph with langsmith, 5 % garbage; Postgres, Redis and the model's simulator share the two cores. Ours stores, recalls, counts and remembers besides, which the peer does not. With Discord, its own limit of 50 requests a second for a token comes first.",
  },
  p3: {
    title: "P3: today's conversation in Redis, read and added to",
    note: "Two round trips, one after the other: a turn runs one script when it reads, before the model is asked, and another one when it adds, after its commit. What is told is both together.",
  },
  p4: {
    title: "P4: recall inside guilds, of 100,000 memories in all, beside PostgresStore and mem0",
    missed:
      "Recall looks at a whole guild, by full text and by the signs of all its vectors, and is therefore exact: its time grows with the guild. Alone and at rest it takes 44 ms at 50,000 memories: 24 the full text, 6 its neighbours, 12 the signs. The searches of both peers go through an index of vectors alone.",
  },
  p9: {
    title: "P9: start and memory of gateways and workers",
    missed:
      "An empty process of Node is 45 MB here. Of a gateway's memory 55 MB are pages of Node's own program, which processes of one machine share. It is weighed when it has been told of its guilds and has stored them.",
  },
  p10: { title: "P10: a fleet that is killed a hundred times" },
  kubernetes: {
    title: "Kubernetes: two gateways and two workers, the offline model, one node",
    note: "The image stands on a stand-in of the distroless base, whose registry this machine does not reach: docs/operations/image.md says of what it consists.",
    missed:
      "Start of a pod: two containers are made and started one after the other (the first brings the schema of the database up to date), each with a start of Node. By the timestamps of four pods at rest 2 s had passed until the program's container had started, it was ready 1.2 s later, and the kubelet looks once a second.",
  },
  quota: {
    title: "P7: one model's limits shared by 20 processes",
    note: "The estimates are those of mentions, which people are shown. What ambient talk is told in the overload, and nobody sees, is off by minutes: each mention that comes later goes before it.",
  },
};

/** Keeps what a bench printed, for the page. */
export function saveResult(name: string, result: object): void {
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** Writes docs/benchmarks.md from what was kept. */
export function writePage(): void {
  const results = readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Result);
  writeFileSync(page, `${[intro, ...results.map(section)].join("\n\n")}\n`);
}

const intro = `# Benchmarks

Written by \`npm run bench -- page\` from \`bench/results\`, which \`npm run bench -- NAME --save\` writes. Machines are noisy and differ: compare ratios, each of one run.
A ratio to a goal is better the smaller it is; over 1.00 the goal is **not reached**.`;

function section(result: Result): string {
  const { title, note = "", missed } = titles[result.bench] ?? { title: result.bench };
  const ratios = Object.entries(result.ratioToGoal ?? {});
  const isMissed = ratios.some(([, ratio]) => ratio > 1);
  const { cpu, cores, memoryGb, node, peers = {}, measuredAt } = result.machine;
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}, `);
  return [
    `## ${title}`,
    ratios.length === 0 ? "" : verdicts(result, ratios),
    isMissed && missed !== undefined ? missed : "",
    note,
    `\`\`\`json\n${JSON.stringify(result.figures, null, 2)}\n\`\`\``,
    ratios.length === 0 ? `Goals: \`${JSON.stringify(result.goals)}\`` : "",
    `${cores} cores of ${cpu}, ${memoryGb} GB, Node ${node.replace("v", "")}, ${versions.join("")}${measuredAt.slice(0, 10)}.`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function verdicts({ goals }: Result, ratios: readonly (readonly [string, number])[]): string {
  const rows = ratios.map(([name, ratio]) => {
    const verdict = ratio > 1 ? "**not reached**" : "reached";
    return `| ${name} | ${goals[name] ?? ""} | ${ratio.toFixed(2)} | ${verdict} |`;
  });
  return ["| Figure | Goal | Ratio | |", "|---|---|---|---|", ...rows].join("\n");
}
