import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { RecalledMemory, Receipt } from "../chat/chat.ts";
import type { Desk, ForgetTarget } from "../chat/desk.ts";
import type { Seat } from "./place.ts";

/** A label and what stands beside it. */
export type Row = readonly [label: string, value: string];

/** How a command answers; texts may hold anything, whoever shows them makes them harmless. */
export interface Teller {
  say(sentence: string): void;
  rows(rows: readonly Row[]): void;
  /** False also when nobody can be asked. */
  confirm(question: string): Promise<boolean>;
}

/** What commands work on. */
export interface Counter {
  readonly desk: Desk;
  readonly seat: Seat;
  readonly teller: Teller;
  readonly quit: () => void;
  readonly log: Logger;
}

interface Command {
  readonly usage: string;
  readonly help: string;
  run(counter: Counter, rest: string, signal: AbortSignal): Promise<void> | void;
}

const shownMemories = 10;

const commands: Readonly<Record<string, Command>> = {
  help: { usage: "/help", help: "this list", run: help },
  agents: { usage: "/agents", help: "who is here", run: agents },
  memory: { usage: "/memory [words]", help: "what is remembered, the newest or what the words find", run: memory },
  forget: {
    usage: "/forget last | me | ID | WORDS",
    help: "forget it, after a question if it is more than one",
    run: forget,
  },
  why: { usage: "/why", help: "how the last answer came about", run: why },
  as: {
    usage: "/as NAME",
    help: "speak as somebody else",
    run: sit("become", (seat) => `You speak as ${seat.author} now.`),
  },
  channel: {
    usage: "/channel NAME",
    help: "go to another channel",
    run: sit("enter", (seat) => `This is #${seat.channel} now.`),
  },
  status: { usage: "/status", help: "how the program is", run: status },
  quit: { usage: "/quit", help: "leave; everything is kept (Ctrl-D does the same)", run: ({ quit }) => quit() },
};

/** `/x` is a command; `//x` is a message that begins with a slash. */
export function isCommand(line: string): boolean {
  return line.startsWith("/") && !line.startsWith("//");
}

/** Whether a command only changes who speaks, or where. */
export function movesSeat(line: string): boolean {
  return /^\/(?:as|channel)(?:\s|$)/.test(line);
}

/** The commands that begin like this, for completion. */
export function completeCommand(beginning: string): string[] {
  return Object.keys(commands)
    .map((name) => `/${name}`)
    .filter((name) => beginning.startsWith("/") && name.startsWith(beginning));
}

/** Does what the line says. Never rejects: what goes wrong is told to the person and logged. */
export async function runCommand(line: string, counter: Counter, signal: AbortSignal): Promise<void> {
  const [, name = "", rest = ""] = /^\/(\S*)\s*(.*)$/su.exec(line.trim()) ?? [];
  const command = Object.hasOwn(commands, name.toLowerCase()) ? commands[name.toLowerCase()] : undefined;
  if (command === undefined) {
    const nearest = nearestCommand(name);
    const hint = nearest === null ? "/help lists what there is." : `Did you mean /${nearest}?`;
    counter.teller.say(`There is no command /${name}. ${hint} (Two slashes send it as a message.)`);
    return;
  }
  try {
    await command.run(counter, rest.trim(), signal);
  } catch (thrown) {
    const error = asError(thrown);
    counter.log.error({ command: name, err: error }, "a command failed");
    const foreseen = error instanceof ForeseenError ? error : null;
    const sentence = foreseen?.disposition.kind === "apologise" ? foreseen.disposition.sentence : "Please try again.";
    counter.teller.say(`/${name} did not work (${foreseen?.code ?? "unforeseen"}). ${sentence}`);
  }
}

/** The command that is fewest edits away, at most three and fewer than the word is long; null when none is near. */
export function nearestCommand(word: string): string | null {
  const near = Object.keys(commands)
    .map((name) => ({ name, edits: editsBetween(word.toLowerCase().slice(0, 32), name) }))
    .sort((one, other) => one.edits - other.edits)[0];
  return near !== undefined && near.edits <= 3 && near.edits < near.name.length - 1 ? near.name : null;
}

function help({ teller }: Counter): void {
  teller.rows(Object.values(commands).map((command) => [command.usage, command.help] as const));
}

function agents({ desk, teller }: Counter): void {
  teller.rows(
    desk.agents().map((agent) => [agent.displayName, agent.description + (agent.isDefault ? " (the default)" : "")]),
  );
}

async function memory({ desk, seat, teller }: Counter, words: string, signal: AbortSignal): Promise<void> {
  const found = await desk.memories(seat.place(), words === "" ? null : words, shownMemories, signal);
  if (found.length === 0) teller.say(words === "" ? "Nothing is remembered yet." : "No memory fits these words.");
  else teller.rows(found.map((each) => memoryRow(each)));
}

async function forget({ desk, seat, teller }: Counter, rest: string, signal: AbortSignal): Promise<void> {
  const target = targetOf(rest);
  if (target === null) {
    teller.say("Forget what? /forget last, /forget me, /forget ID or /forget WORDS; /memory shows the ids.");
    return;
  }
  const place = seat.place();
  const found = await desk.matching(place, target, signal);
  if (found.length === 0) {
    teller.say("There is nothing like that to forget.");
    return;
  }
  if (found.length > 1) {
    teller.rows(found.slice(0, shownMemories).map((each) => memoryRow(each)));
    if (found.length > shownMemories) teller.say(`… and ${found.length - shownMemories} more.`);
    if (!(await teller.confirm(`Forget these ${found.length} memories?`))) {
      teller.say("Nothing was forgotten.");
      return;
    }
  }
  const ids = found.map((each) => each.id);
  const gone = await desk.forget(place, ids, signal);
  teller.say(gone === 1 ? "One memory is forgotten." : `${gone} memories are forgotten.`);
}

function targetOf(rest: string): ForgetTarget | null {
  if (rest === "") return null;
  if (rest === "last" || rest === "me") return { kind: rest };
  return /^\d+$/.test(rest) ? { kind: "id", id: rest } : { kind: "words", words: rest };
}

async function why({ desk, seat, teller }: Counter, _rest: string, signal: AbortSignal): Promise<void> {
  const receipt = await desk.lastReceipt(seat.place(), signal);
  if (receipt === null) teller.say(`Nothing was answered in #${seat.channel} yet.`);
  else teller.rows(receiptRows(receipt));
}

function receiptRows(receipt: Receipt): Row[] {
  const { tokens } = receipt;
  const cached = tokens.cachedTokens > 0 ? ` (${tokens.cachedTokens} from the cache)` : "";
  const stages = Object.entries(receipt.stageMs).map(([stage, ms]) => `${stage} ${Math.round(ms)} ms`);
  return [
    ["Agent", `${receipt.agentDisplayName}, chosen by ${receipt.chosenBy}: ${receipt.reason}`],
    ["Model", `${receipt.model}, prompt ${receipt.promptRevision}, settings ${receipt.settingsRevision}`],
    ["Tokens", `${tokens.inputTokens} in${cached}, ${tokens.outputTokens} out`],
    ["Time", stages.join(", ") || "not measured"],
    ["Memories", receipt.memories.length === 0 ? "none used" : `${receipt.memories.length} used`],
    ...receipt.memories.map((each) => memoryRow(each)),
    ...receipt.notes.map((note): Row => ["Note", note]),
  ];
}

async function status({ desk, teller }: Counter, _rest: string, signal: AbortSignal): Promise<void> {
  teller.rows(flatten(await desk.status(signal)));
}

function flatten(report: Readonly<Record<string, unknown>>, prefix = ""): Row[] {
  return Object.entries(report).flatMap(([key, value]): Row[] => {
    if (value === undefined) return [];
    const label = prefix + key;
    const nested = value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
    if (nested) return flatten(value as Record<string, unknown>, `${label}.`);
    return [[label, typeof value === "string" ? value : (JSON.stringify(value) ?? "")]];
  });
}

function sit(where: "become" | "enter", told: (seat: Seat) => string): Command["run"] {
  return ({ seat, teller }, name) => teller.say(seat[where](name) ?? told(seat));
}

function memoryRow(each: RecalledMemory): Row {
  const when = each.createdAt.toISOString().slice(0, 16).replace("T", " ");
  const from = [each.author, when, each.source, `id ${each.id}`].filter((part) => part !== null).join(", ");
  return [each.score.toFixed(2), `${each.text}\n${from}`];
}

function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
