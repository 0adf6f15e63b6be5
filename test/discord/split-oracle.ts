/** What a reader of Markdown knows about code fences, written anew and slowly, so that it shares no mistake with the product. */
interface OpenFence {
  readonly prefix: string;
  readonly run: string;
  readonly language: string;
  readonly depth: number;
}

interface ReadLine {
  readonly start: number;
  readonly end: number;
  readonly next: number;
  readonly before: OpenFence | null;
  readonly after: OpenFence | null;
}

function depthOf(line: string): number {
  return (/^[\s>]*/u.exec(line)?.[0] ?? "").split(">").length - 1;
}

function readFences(text: string, longest: number): ReadLine[] {
  const lines: ReadLine[] = [];
  let open: OpenFence | null = null;
  for (let start = 0; start < text.length;) {
    const [whole = "", line = ""] = /^([^\n]*?)(?:\r?\n|$)/u.exec(text.slice(start)) ?? [];
    const before: OpenFence | null = open !== null && depthOf(line) < open.depth ? null : open;
    open = before;
    const bare = line.trim();
    if (bare.length <= longest && before !== null) {
      const end = new RegExp(`^(?:>\\s*){${before.depth}}${before.run[0]}{${before.run.length},}$`, "u");
      if (end.test(bare)) open = null;
    } else if (bare.length <= longest) {
      const begin = /^((?:\s*>|\s*[-*+]\s|\s*\d{1,9}[.)]\s)*\s*)(?:(`{3,})([^`]*)|(~{3,})([^~]*))$/u.exec(bare);
      if (begin !== null) {
        const blanked = (begin[1] ?? "").replace(/[^>\s]/gu, " ").replace(/^\s+/u, "");
        const prefix = blanked.includes(">") ? blanked : "";
        const info = (begin[3] ?? begin[5] ?? "").trim();
        open = {
          prefix,
          run: begin[2] ?? begin[4] ?? "",
          language: /^[A-Za-z0-9_+#.-]*/u.exec(info)?.[0] ?? "",
          depth: prefix.split(">").length - 1,
        };
      }
    }
    lines.push({ start, end: start + line.length, next: start + whole.length, before, after: open });
    start += whole.length;
  }
  return lines;
}

/** Whether every fence of a message is closed in it. */
export function isBalanced(message: string, limit: number): boolean {
  return (readFences(message, Math.floor(limit / 5)).at(-1)?.after ?? null) === null;
}

/**
 * Puts the parts together again along the text they come from and returns where in it each of them lies. Throws where a part is not what
 * comes next, and where more is missing than may be: between parts white space, or in a fence one newline or the line that closes it, for
 * which the one that was added stands; at the end of the text white space.
 */
export function joinParts(
  parts: readonly string[],
  text: string,
  limit: number,
): { readonly spans: readonly (readonly [start: number, end: number])[]; readonly missing: string } {
  const lines = readFences(text, Math.floor(limit / 5));
  const spans: [number, number][] = [];
  let at = 0;
  let inside: OpenFence | null = null;
  for (const part of parts) {
    if (inside === null) at += leadingSpace(text.slice(at)) - leadingSpace(part);
    const body = inside === null ? part : reopened(part, inside, lineAt(lines, at)?.start !== at);
    const start = at;
    inside = null;
    const isVerbatim = text.startsWith(body, at) && fenceAt(text, lines, at + body.length) === null;
    if (isVerbatim) at += body.length;
    else {
      const cut = body.lastIndexOf("\n");
      inside = fenceAt(text, lines, at + cut);
      const closed = inside !== null && body.slice(cut + 1) === inside.prefix + inside.run;
      if (!closed || !text.startsWith(body.slice(0, cut), at)) fail("is not what comes next", body, text.slice(at));
      at += cut;
    }
    spans.push([start, at]);
    if (inside !== null) [at, inside] = behindBorder(text, lines, at, inside);
  }
  return { spans, missing: text.slice(at).trim() };
}

function behindBorder(
  text: string,
  lines: readonly ReadLine[],
  from: number,
  open: OpenFence,
): [number, OpenFence | null] {
  const cut = lineAt(lines, from);
  if (cut === undefined) return [from, null];
  const isOpener = cut.before === null;
  const isLineBorder = from === cut.end || (isOpener && text.slice(from, cut.end).trim() === "");
  const at = isLineBorder ? cut.next : from;
  const line = lineAt(lines, at);
  if (at === text.length || line === undefined) return [at, null];
  if (line.start === at && line.before === null) return [at, null];
  if (line.start === at && line.after === null) return [line.end, null];
  return [at, open];
}

function lineAt(lines: readonly ReadLine[], at: number): ReadLine | undefined {
  return lines.find(({ next }) => at < next) ?? lines.at(-1);
}

function fenceAt(text: string, lines: readonly ReadLine[], at: number): OpenFence | null {
  const line = lineAt(lines, at);
  if (line === undefined) return null;
  const isBehind = line.before !== line.after && at >= line.start + text.slice(line.start, line.end).trimEnd().length;
  return isBehind ? line.after : line.before;
}

function reopened(part: string, { prefix, run, language }: OpenFence, midLine: boolean): string {
  const head = `${prefix}${run}${language}\n${midLine ? prefix : ""}`;
  if (!part.startsWith(head)) fail("does not open its fence again", part, head);
  return part.slice(head.length);
}

function leadingSpace(text: string): number {
  return text.length - text.trimStart().length;
}

function fail(what: string, part: string, expected: string): never {
  throw new Error(`a part ${what}: ${JSON.stringify({ part, expected: expected.slice(0, part.length + 20) })}`);
}
