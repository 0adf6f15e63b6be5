import { stripVTControlCharacters } from "node:util";

// Made when first needed: it takes 10 ms, which the first prompt need not wait for.
let segmenter: Intl.Segmenter | null = null;
const onlyNarrow = /^[ -~\u00A1-\u00AC\u00AE-\u02FF\u2800-\u28FF…▸↳]*$/u;
const invisible = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
const emoji = /^(?:\p{RGI_Emoji}|\p{Emoji_Presentation})/v;
// Unicode's East Asian Width W and F, in ranges; half-width katakana (U+FF65 and up) is narrow.
const wide =
  /^[\u1100-\u115F\u2E80-\u303E\u3041-\u4DBF\u4E00-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]/u;
const neverFirst = /^[、。，．！？：；）」』】〉》”’ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ…]/u;

/** Text that can harm neither a terminal nor a database: well-formed, no escape sequence, no control but \n and \t. */
export function clean(text: string): string {
  return stripVTControlCharacters(text.toWellFormed()).replace(/[^\P{Cc}\n\t]/gu, "");
}

/** Cuts off the end of a streamed text that may be half of something: of a surrogate pair or an escape sequence. */
export function splitWhole(text: string): { readonly whole: string; readonly half: string } {
  const at = text.search(/(?:[^\P{Cc}\n\t](?:\[[\d;]{0,24})?|[\uD800-\uDBFF])$/u);
  return at < 0 ? { whole: text, half: "" } : { whole: text.slice(0, at), half: text.slice(at) };
}

/** How many columns the text takes: wide characters and emoji two, combining marks none. */
export function widthOf(text: string): number {
  if (onlyNarrow.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemesOf(text)) width += graphemeWidth(segment);
  return width;
}

/**
 * Breaks text into lines of at most `width` columns, between words where it can and never within a grapheme. The lines
 * joined are the text again: each keeps the spaces and the newline it ends with, and these may stick out.
 */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) lines.push(...wrapParagraph(paragraph, width));
  return lines;
}

function wrapParagraph(text: string, width: number): string[] {
  if (text.length <= width && onlyNarrow.test(text.trimEnd())) return [text];
  const lines: string[] = [];
  let line = "";
  let used = 0;
  // The last place in the line where it may be broken, in units and in columns; 0 is none.
  let breakAt = 0;
  let breakUsed = 0;
  let before = { space: false, columns: 0 };
  for (const { segment } of graphemesOf(text)) {
    const columns = graphemeWidth(segment);
    const space = segment === " " || segment === "\n";
    const between = before.space ? line.trim() !== "" : before.columns + columns > 2 && !neverFirst.test(segment);
    if (between && !space) [breakAt, breakUsed] = [line.length, used];
    if (!space && used + columns > width && line.trim() !== "") {
      const [at, usedThere] = breakAt > 0 ? [breakAt, breakUsed] : [line.length, used];
      lines.push(line.slice(0, at));
      [line, used] = [line.slice(at), used - usedThere];
      [breakAt, breakUsed] = [0, 0];
    }
    line += segment;
    used += columns;
    before = { space, columns };
  }
  return line === "" ? lines : [...lines, line];
}

/** The text in as many columns, an ellipsis at its end when something is missing. */
export function fit(text: string, width: number): string {
  const line = flat(text);
  if (widthOf(line) <= width) return line;
  let kept = "";
  let used = 1;
  for (const { segment } of graphemesOf(line)) {
    used += graphemeWidth(segment);
    if (used > width) break;
    kept += segment;
  }
  return `${kept}…`;
}

function graphemesOf(text: string): Iterable<{ readonly segment: string }> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code === 10) return 0;
  if (code < 0x300 && grapheme.length === 1) return 1;
  if (invisible.test(grapheme)) return 0;
  // A half-width voicing mark joins its kana into one grapheme and still takes a column.
  if (/[\uFF9E\uFF9F]/u.test(grapheme)) return grapheme.length;
  return wide.test(grapheme) || emoji.test(grapheme) || grapheme.includes("\uFE0F") ? 2 : 1;
}

/** The text in one line, with no control character in it: for names. */
export function flat(text: string): string {
  return clean(text).replace(/\s+/gu, " ").trim();
}
