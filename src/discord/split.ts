import { closing, type Fence, follow, opening, stillIn } from "./fences.ts";

/** A text as messages; when it takes too many of them, the first alone and the whole text for a file. */
interface Split {
  readonly parts: readonly string[];
  /** Markdown. */
  readonly file: string | null;
}

/**
 * Splits a text into messages that Discord takes: of at most `limit` UTF-16 units (24 or more) and never blank, so a blank text has none.
 * Text that fits is one part as it is. Otherwise parts end where a reader would pause: in the last two thirds of a part at the best of
 * paragraph, list item or row, line, sentence and word; and never within a character as people see it, unless it alone is too long.
 *
 * The parts put together are the text again, but for: white space at a border and at both ends of the text; in a code fence, only the one
 * newline at the border; and a fence that is open at a border, or at the end of the text, is closed there and opened again with its
 * language. (A closing fence that does not fit, for being longer or indented, is replaced by that.) If it takes more than `parts` messages
 * even when they are filled up, `parts` holds only the first one, which ends at a border as above, and `file` is the whole text.
 */
export function splitText(text: string, { limit = 2000, parts = 5 }: { limit?: number; parts?: number } = {}): Split {
  if (text.trim() === "") return { parts: [], file: null };
  if (text.length <= limit) return { parts: [text], file: null };
  const longest = Math.floor(limit / 5);
  const source: Source = { text: text.trimEnd(), lines: readLines(text.trimEnd(), longest), limit, longest };
  const natural = cut(source, parts, 1 / 3);
  const enough = natural.length <= parts ? natural : cut(source, parts, 0.9);
  return enough.length <= parts ? { parts: enough, file: null } : { parts: natural.slice(0, 1), file: text };
}

interface Source {
  /** Without the white space at its end. */
  readonly text: string;
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
  const { text, lines, limit } = source;
  const made: string[] = [];
  let border: Border = { end: 0, next: skipSpace(text, 0), open: null, again: null };
  for (let line = 0; border.next < text.length && made.length <= most;) {
    const at = border.next;
    while ((lines[line]?.next ?? text.length) <= at) line += 1;
    const head = opening(border.again, at > (lines[line]?.start ?? 0));
    border = findBorder(source, { at, line, room: limit - head.length }, least);
    made.push(head + text.slice(at, border.end) + closing(border.open));
  }
  return made;
}

function findBorder(source: Source, part: Part, least: number): Border {
  const { text, lines } = source;
  const open = lines.at(-1)?.after ?? null;
  if (isRoomFor(part, text.length, open)) return { end: text.length, next: text.length, open, again: null };
  const best: Candidates = [];
  for (let at = part.line; at < lines.length; at++) {
    const line = lines[at];
    if (line === undefined || line.start >= part.at + part.room) break;
    const border = borderAfter(source, line, lines[at + 1]);
    if (border === null) continue;
    if (!isRoomFor(part, border.end, border.open)) {
      if (line.before === line.after) breakLine(source, part, line, best);
      break;
    }
    best[border.end > part.at ? rankOf(source, border, line, lines[at + 1]) : rank.hard] = border;
  }
  return choose(source, part, best, least);
}

function isRoomFor({ at, room }: Part, end: number, open: Fence | null): boolean {
  return end - at + closing(open).length <= room;
}

function choose(source: Source, part: Part, best: Candidates, least: number): Border {
  const soft = best.slice(0, rank.hard).filter((border) => border !== undefined);
  const enough = part.at + part.room * least;
  const natural = soft.find(({ end }) => end >= enough);
  if (natural !== undefined) return natural;
  const [early] = soft.sort((one, other) => other.end - one.end);
  const hard = best[rank.hard];
  if (early !== undefined && (hard === undefined || pausesSoon(source, early))) return early;
  if (hard === undefined) throw new Error("a line begins a part, and nothing of it fits into one");
  return hard;
}

/** Whether what comes next has a pause within one part, so that it is better kept whole there than cut here. */
function pausesSoon({ text, limit }: Source, { next, again }: Border): boolean {
  const to = next + limit - opening(again, true).length - closing(again).length;
  return to >= text.length || /\s/u.test(text.slice(next, to));
}

/** The border behind a line; null for a blank line outside of fences, which belongs to the border before it. */
function borderAfter({ text }: Source, line: Line, following: Line | undefined): Border | null {
  const open = line.after;
  if (open === null && line.trimmed === line.start) return null;
  const end = line.before === open && open !== null ? line.end : line.trimmed;
  const isLast = following !== undefined && following.before !== null && following.after === null;
  // The closing added here stands for the one in the text, which may be longer or indented.
  if (isLast) return { end, next: skipSpace(text, following.next), open, again: null };
  const again = following?.before ?? null;
  return { end, next: again === null ? skipSpace(text, line.end) : line.next, open, again };
}

const introduces = /^\s*(?:#{1,6}|-#)\s|[:：]$/u;
const heading = /^\s*(?:#{1,6}|-#)\s/u;
/** Not those nested in others. */
const beginsItem = /^ ?(?:>[ >]*)?(?:(?:[-*+•]|\d{1,9}[.)])\s|\||>)/u;
const underTableHead = /^(?=[^-]*-)(?=[^|]*\|)[\s|:-]+$/u;

function rankOf({ text }: Source, { open, again }: Border, line: Line, following: Line | undefined): number {
  const isBlank = following === undefined || following.trimmed === following.start;
  if (open !== null) {
    if (line.before !== open) return rank.poor;
    if (again === null) return rank.paragraph;
    return line.trimmed === line.start ? rank.codeParagraph : rank.codeLine;
  }
  const next = isBlank ? "" : text.slice(following.start, following.trimmed);
  if (introduces.test(text.slice(line.start, line.trimmed)) || underTableHead.test(next)) return rank.poor;
  if (isBlank || line.before !== null || following.after !== null || heading.test(next)) return rank.paragraph;
  return beginsItem.test(next) ? rank.item : rank.line;
}

const sentenceEnd = /[.!?…]["'”’»)\]*_`]*(?=\s)|[。！？｡]+["'”’」』）】)\]*_`]*/gu;
const clauseEnd = /[、，；：]+/gu;
/** Inline code, bold text, links, mentions and times: cut only where there is nothing else. */
const inline = /(`{1,2})(?!`)[^`]{1,300}\1|\*\*[^*]{1,300}\*\*|\[[^\]]{0,200}\]\([^)\s]{1,300}\)|<[^>\s]{1,300}>/gu;
const unspaced = "[\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmr}\\p{sc=Mymr}ー、。，．！？]";
const unspacedLast = new RegExp(`${unspaced}$`, "u");
const unspacedFirst = new RegExp(`^${unspaced}`, "u");
const neverFirst = /^[、。，．！？：；）」』】〉》”’ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ…)\]}.,;:!?]/u;
const neverLast = /[「『（【〈《“‘([{]$/u;

/** Adds the last good places inside a line that does not fit into the part as a whole. */
function breakLine(source: Source, part: Part, line: Line, best: Candidates): void {
  const { text } = source;
  const fence = line.before;
  const from = Math.max(part.at, line.start);
  const stop = part.at + part.room - closing(fence).length;
  if (stop <= from) return;
  const piece = text.slice(from, Math.min(line.end, stop + 2));
  const clusters = segmenter("grapheme").segment(piece);
  const clusterAt = (at: number) => from + (clusters.containing(at - from)?.index ?? at - from);
  const spans = [...text.slice(from, Math.min(line.end, stop + 600)).matchAll(inline)];
  const isKept = (at: number) =>
    spans.some(({ 0: span, index }) => from + index < at && at < from + index + span.length);
  const offer = (kind: number, places: readonly number[]) => {
    const isGood = (at: number) => at > from && at <= stop && clusterAt(at) === at && isPlain(source, part, line, at);
    const at = places.findLast(isGood);
    if (at !== undefined) best[kind] = borderAt(text, at, fence);
  };
  const spaces = [...piece.matchAll(/\s+/gu)].map(({ 0: space, index }) =>
    fence === null ? from + index : from + index + space.length,
  );
  if (fence === null) {
    const free = (places: readonly number[]) => places.filter((at) => !isKept(at));
    const behind = (pause: RegExp) => [...piece.matchAll(pause)].map((match) => from + match.index + match[0].length);
    offer(rank.sentence, free(behind(sentenceEnd)));
    offer(rank.word, free([...spaces, ...behind(clauseEnd)].sort((one, other) => one - other)));
    const begin = clusterAt(Math.max(from, stop - 200));
    const joints = free(jointsIn(piece.slice(begin - from)).map((at) => begin + at));
    offer(
      rank.joint,
      joints.filter((at) => !/^\p{sc=Hira}/u.test(text.slice(at, at + 1))),
    );
    offer(rank.poor, joints.length > 0 ? joints : spaces);
  } else offer(rank.word, spaces);
  const isSafe = (at: number) => !/^[\uD800-\uDBFF][\uDC00-\uDFFF]/.test(text.slice(at - 1, at + 1));
  let hard = clusterAt(stop);
  while (hard > from && !isPlain(source, part, line, hard)) hard = clusterAt(hard - 1);
  // The border before the line will do.
  if (hard <= from && from > part.at) return;
  for (let at = stop; hard <= from && at > from; at--) if (isSafe(at) && isPlain(source, part, line, at)) hard = at;
  best[rank.hard] = borderAt(text, hard > from ? hard : isSafe(stop) ? stop : stop - 1, fence);
}

/** Where words meet in scripts that have no spaces between them. */
function jointsIn(piece: string): number[] {
  const joints: number[] = [];
  for (const { index } of segmenter("word").segment(piece)) {
    const [before, after] = [piece.slice(0, index), piece.slice(index, index + 2)];
    const meets = unspacedLast.test(before) || unspacedFirst.test(after);
    if (meets && index > 0 && !neverFirst.test(after) && !neverLast.test(before)) joints.push(index);
  }
  return joints;
}

/** Whether neither half of a line that is cut here would be taken for a fence. */
function isPlain({ text, longest }: Source, part: Part, line: Line, at: number): boolean {
  const fence = line.before;
  const mark = fence?.prefix ?? "";
  const { next } = borderAt(text, at, fence);
  const isPlainLine = (half: string) => follow(stillIn(fence, half), half, longest) === fence;
  const head = part.at > line.start ? mark + text.slice(part.at, at) : text.slice(line.start, at);
  return isPlainLine(head) && (next >= line.end || isPlainLine(mark + text.slice(next, line.end)));
}

function borderAt(text: string, at: number, fence: Fence | null): Border {
  if (fence !== null) return { end: at, next: at, open: fence, again: fence };
  return { end: text.slice(0, at).trimEnd().length, next: skipSpace(text, at), open: null, again: null };
}

/** The next place that is not white space; white space with a combining mark on it is none. */
function skipSpace(text: string, from: number): number {
  const space = /\s*/uy;
  space.lastIndex = from;
  space.test(text);
  const to = space.lastIndex;
  if (to === from || to === text.length) return to;
  return segmenter("grapheme")
    .segment(text.slice(to - 1, to + 2))
    .containing(1)?.index === 1
    ? to
    : to - 1;
}

// Made when first needed: each takes some milliseconds.
const segmenters = new Map<"grapheme" | "word", Intl.Segmenter>();

function segmenter(granularity: "grapheme" | "word"): Intl.Segmenter {
  const made = segmenters.get(granularity) ?? new Intl.Segmenter("en", { granularity });
  segmenters.set(granularity, made);
  return made;
}
