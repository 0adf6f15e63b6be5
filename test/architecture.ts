/** A source file: its path from the top level, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Contracts that every room may read. */
const contracts = new Set(["envelope", "errors", "metrics", "log"]);

/** Which rooms a room may import from, besides itself and the contracts. The story flows one way. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  chat: ["lifecycle", "model"],
  terminal: ["chat", "lifecycle"],
  discord: ["chat", "connections", "lifecycle", "resilience"],
  gateway: ["chat", "connections", "discord", "inbox", "lifecycle", "resilience"],
  inbox: ["chat", "connections", "lifecycle"],
  routing: ["settings"],
  memory: ["chat", "connections", "lifecycle", "model", "resilience", "settings"],
  think: ["chat", "inbox", "memory", "model", "settings"],
  model: ["lifecycle", "resilience"],
  resilience: ["connections", "lifecycle"],
  settings: ["connections", "lifecycle"],
  cluster: ["connections", "lifecycle", "settings"],
  connections: ["lifecycle"],
  lifecycle: [],
  http: ["lifecycle", "resilience"],
};

/** Where the rooms are put together: it may import everything, and only main.ts imports it. */
const root = "roles";

/** Where each library is at home; the rest of the product does not know it exists. */
const homes: Readonly<Record<string, readonly string[]>> = {
  "@langchain/langgraph": ["src/think/graph.ts"],
  "@google/generative-ai": ["src/model/gemini.ts", "src/model/gemini-wire.ts"],
  "@kubernetes/client-node": ["src/connections/kubernetes.ts"],
  pg: ["src/connections/"],
  ioredis: ["src/connections/"],
  "pg-boss": ["src/inbox/", "src/connections/template.ts"],
  "@electric-sql/pglite": ["src/connections/pglite.ts"],
  "@electric-sql/pglite-pgvector": ["src/connections/pglite.ts"],
  "discord.js": ["src/discord/", "src/gateway/"],
  "@discordjs/ws": ["src/gateway/"],
  koa: ["src/http"],
  "prom-client": ["src/metrics.ts", "src/http/"],
  pino: ["src/log.ts"],
  cockatiel: ["src/resilience/"],
  yaml: ["src/settings/"],
  zod: ["src/config", "src/settings/", "src/think/", "src/model/", "src/gateway/", "src/discord/"],
};

const empty = /(?:^|[-/.])(?:utils?|helpers?|core|common|lib|types)(?=[-/.]|$)/;
const emptyClass = /\bclass \w*(?:Manager|Service|Handler|Impl|Helper)\b/;
const importing = /(?:from|import)\s*\(?\s*["']([^"'\s]+)["']/g;

/** Everything in these files that breaks the plan of the house, one sentence each. */
export function checkSource(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const faults = file.path.startsWith("src/") ? checkProduct(file) : checkWorkshop(file);
    return [...faults, ...checkSize(file)].map((fault) => `${file.path}: ${fault}`);
  });
}

function checkProduct({ path, text }: SourceFile): string[] {
  const faults: string[] = [];
  const parts = path.split("/").slice(1, -1);
  const room = parts[0] ?? null;
  if (parts.length > 1) faults.push("is too deep: rooms have no rooms");
  if (room !== null && room !== root && !(room in rooms)) faults.push(`there is no room called ${room}`);
  if (empty.test(path) || emptyClass.test(text)) faults.push("has a name that says nothing");
  if (/process\.env/.test(text) && path !== "src/main.ts")
    faults.push("reads the environment; only config.ts does, from main.ts");
  for (const target of imports(text)) {
    const fault = target.startsWith(".") ? checkRoomImport(room, path, target) : checkLibrary(path, target);
    if (fault !== null) faults.push(fault);
  }
  return faults;
}

function checkRoomImport(room: string | null, path: string, target: string): string | null {
  const resolved = new URL(target, `file:///${path}`).pathname.slice(1).split("/");
  if (resolved[0] !== "src") return `${room ?? "the product"} may not import ${resolved[0]}`;
  if (room === null || room === root) return null;
  const other = resolved.length > 2 ? (resolved[1] ?? "") : null;
  if (other === null) {
    const contract = (resolved[1] ?? "").replace(/\.ts$/, "");
    return contracts.has(contract) ? null : `${room} may not import ${contract}: it is not a contract`;
  }
  if (other === room || (rooms[room] ?? []).includes(other)) return null;
  return `${room} may not import ${other}`;
}

function checkLibrary(path: string, target: string): string | null {
  if (target.startsWith("node:")) return null;
  const library = target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
  const home = homes[library];
  if (home === undefined) return `${library} has no home: give it one in test/architecture.ts, with a decision record`;
  return home.some((place) => path.startsWith(place)) ? null : `${library} is at home in ${home.join(", ")}`;
}

function checkWorkshop({ path, text }: SourceFile): string[] {
  const sleeps = /setTimeout\(\s*\w*(?:resolve|done)\w*\s*,\s*[\d_]{3,}/.test(text);
  return sleeps && path !== "test/architecture.test.ts" ? ["sleeps and hopes: wait for the condition"] : [];
}

function checkSize({ text }: SourceFile): string[] {
  const lines = text.split("\n").length - 1;
  return lines > 300 ? [`has ${lines} lines: is there a second noun in it?`] : [];
}

function imports(text: string): string[] {
  return [...text.matchAll(importing)].map(([, target]) => target ?? "");
}
