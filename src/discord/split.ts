import { closing, type Fence, follow, opening, stillIn } from "./fences.ts";

/** A text as messages; when it takes too many of them, the first alone and the whole text for a file. */
export interface Split {
  readonly parts: readonly string[];
  /** Markdown. */
  readonly file: string | null;
}

/**
 * Splits a text into messages that Discord takes: of at most `limit` UTF-16 units and never blank (so a blank text has none). Text that
 * fits is one part as it is. Otherwise parts end where a reader would pause: in the last two thirds of a part at the best of paragraph,
 * list item or row, line, sentence and word, and never within a character as people see it, unless it alone is longer than a part.
 *
 * The parts put together are the text again, but for: white space at a border and at both ends of the text; inside a code fence, only
 * the one newline at the border; and a fence open at a border is closed there and opened again with its language, also at the end of the
 * text. When this takes more than `parts` messages even if they are filled up, `parts` holds the first one alone, which ends at a border
 * as above, and `file` is the whole text.
 */
export function splitText(text: string, { limit = 2000, parts = 5 }: { limit?: number; parts?: number } = {}): Split {
  if (text.trim() === "") return { parts: [], file: null };
  if (text.length <= limit) return { parts: [text], file: null };
  const longest = Math.floor(limit / 5);
  const source: Source = { text, finish: text.trimEnd().length, lines: readLines(text, longest), limit, longest };
  const natural = cut(source, parts, 1 / 3);
  const enough = natural.length <= parts ? natural : cut(source, parts, 0.9);
  return enough.length <= parts ? { parts: enough, file: null } : { parts: natural.slice(0, 1), file: text };
}

interface Source {
  readonly text: string;
  /** Behind the last character that is not white space. */
  readonly finish: number;
  readonly lines: readonly Line[];
  readonly limit: number;
  /** No line longer than this is a fence. */
  readonly longest: number;
}

interface Line {
  readonly start: number;
  /** Without the newline. */
  readonly end: number;
  /** Without the white space before it either; equal to `start` for a blank line. */
  readonly trimmed: number;
  readonly next: number;
  /** The fence the line is in, and the one that is open behind it. */
  readonly before: Fence | null;
  readonly after: Fence | null;
}

/** Where one part ends and the next begins. */
interface Border {
  readonly end: number;
  readonly next: number;
  /** The fence to close at the end, and the one to open again. */
  readonly open: Fence | null;
  readonly again: Fence | null;
}

/** The part being cut: where it begins, in which line and fence, and how long it may be. */
interface Part {
  readonly at: number;
  readonly line: number;
  readonly room: number;
}

/** Kinds of borders, best first. */
const rank = {
  paragraph: 0,
  item: 1,
  line: 2,
  codeParagraph: 3,
  codeLine: 4,
  sentence: 5,
  word: 6,
  joint: 7,
  poor: 8,
  hard: 9,
} as const;
type Candidates = (Border | undefined)[];

function readLines(text: string, longest: number): Line[] {
  const lines: Line[] = [];
  let fence: Fence | null = null;
  for (let start = 0; start < text.length; start = lines.at(-1)?.next ?? text.length) {
    const feed = text.indexOf("\n", start);
    const next = feed < 0 ? text.length : feed + 1;
    const end = feed < 0 ? next : feed - (feed > start && text[feed - 1] === "\r" ? 1 : 0);
    const line = text.slice(start, end);
    const before = stillIn(fence, line);
    fence = follow(before, line, longest);
    lines.push({ start, end, trimmed: start + line.trimEnd().length, next, before, after: fence });
  }
  return lines;
}

/** At most one part more than `most`; each at least `least` full if there is any border behind that. */
function cut(source: Source, most: number, least: number): string[] {
  const { text, lines, limit, finish } = source;
  const made: string[] = [];
  let border: Border = { end: 0, next: skipSpace(text, 0), open: null, again: null };
  for (let line = 0; border.next < finish && made.length <= most; ) {
    const at = border.next;
    while ((lines[line]?.next ?? text.length) <= at) line += 1;
    const head = opening(border.again, at > (lines[line]?.start ?? 0));
    border = findBorder(source, { at, line, room: limit - head.length }, least);
    made.push(head + text.slice(at, border.end) + closing(border.open));
  }
  return made;
}

function findBorder(source: Source, part: Part, least: number): Border {
  const { text, finish, lines } = source;
  const open = lines.at(-1)?.after ?? null;
  if (isRoomFor(part, finish, open)) return { end: finish, next: text.length, open, again: null };
  const best: Candidates = [];
  for (const [at, line] of lines.slice(part.line, part.line + part.room).entries()) {
    if (line.start >= part.at + part.room) break;
    const border = borderAfter(source, part.line + at);
    if (border === null) continue;
    if (!isRoomFor(part, border.end, border.open)) {
      if (line.before === line.after) breakLine(source, part, line, best);
      break;
    }
    if (border.end > part.at) best[rankAfter(source, part.line + at, border)] = border;
  }
  return choose(source, part, best, least);
}

function isRoomFor({ at, room }: Part, end: number, open: Fence | null): boolean {
  return end - at + closing(open).length <= room;
}

function choose({ text, limit }: Source, { at, room }: Part, best: Candidates, least: number): Border {
  const soft = best.slice(0, rank.hard);
  const natural = soft.find((border) => border !== undefined && border.end >= at + room * least);
  if (natural !== undefined) return natural;
  const early = soft.reduce((one, other) => ((other?.end ?? 0) > (one?.end ?? 0) ? other : one), undefined);
  // Something long without a pause begins early in the part: it is kept whole if the next part can hold it.
  const span = early && limit - opening(early.again, true).length - closing(early.again).length;
  const rest = early && span && text.slice(early.next, early.next + span);
  if (early && rest !== undefined && (/\s/u.test(String(rest)) || best[rank.hard] === undefined)) return early;
  return best[rank.hard] ?? { end: at + room, next: at + room, open: null, again: null };
}
