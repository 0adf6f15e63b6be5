/** A code fence that is open, with what it takes to close it and to open it again in another message. */
export interface Fence {
  /** The quote marks in front of it, with spaces in place of list markers; empty where there is no quote. */
  readonly prefix: string;
  /** Three or more backticks or tildes. */
  readonly run: string;
  readonly language: string;
  /** Lines with fewer quote marks are not in it. */
  readonly quotes: number;
}

const opener = /^((?:\s*(?:>|(?:[-*+]|\d{1,9}[.)])\s))*\s*)(`{3,}(?=[^`]*$)|~{3,}(?=[^~]*$))\s*([\w+#.-]*)/u;

/**
 * The fence that is open after a line, which has no newline, when `fence` was open before it. Fences are lines of their own, as in
 * CommonMark, except that dedenting ends none: a list item's fence ends where it is closed. A line longer than `longest` without the
 * spaces around it is no fence, so that closing one and opening it again leaves room for what is in it.
 */
export function follow(fence: Fence | null, line: string, longest: number): Fence | null {
  const within = stillIn(fence, line);
  const trimmed = line.trim();
  if (trimmed.length > longest) return within;
  if (within !== null) return isCloser(within, trimmed) ? null : within;
  const [, markers = "", run, language = ""] = opener.exec(trimmed) ?? [];
  if (run === undefined) return null;
  const prefix = markers.includes(">") ? markers.replaceAll(/[^>\s]/gu, " ").trimStart() : "";
  return { prefix, run, language, quotes: prefix.split(">").length - 1 };
}

/** The fence that a line is in: null also where a quote ends and its fence was never closed. */
export function stillIn(fence: Fence | null, line: string): Fence | null {
  return fence === null || unquoted(line, fence.quotes) === null ? null : fence;
}

/** What ends a message within this fence. */
export function closing(fence: Fence | null): string {
  return fence === null ? "" : `\n${fence.prefix}${fence.run}`;
}

/** What begins a message within this fence; `midLine` when the line before it goes on. */
export function opening(fence: Fence | null, midLine: boolean): string {
  if (fence === null) return "";
  const { prefix, run, language } = fence;
  return `${prefix}${run}${language}\n${midLine ? prefix : ""}`;
}

function isCloser({ run, quotes }: Fence, line: string): boolean {
  const bare = unquoted(line, quotes) ?? "";
  return bare.startsWith(run) && bare === (run[0] ?? "").repeat(bare.length);
}

/** What follows so many quote marks; null when there are fewer. */
function unquoted(line: string, quotes: number): string | null {
  let rest = line.trimStart();
  for (let mark = 0; mark < quotes; mark++) {
    if (!rest.startsWith(">")) return null;
    rest = rest.slice(1).trimStart();
  }
  return rest;
}
