import type { Embedder } from "./model.ts";

const dimensions = 768;

/** The vector space of `hashEmbed`: the same words make near vectors, in any script, without any model. */
export const hashingEmbedder: Embedder = {
  space: `offline-hash@${dimensions}`,
  kind: "lexical",
  dimensions,
  reads: (space) => space === `offline-hash@${dimensions}`,
};

/** One unit-length vector of hashed words and character trigrams; the trigrams find "cats" by "cat" and Japanese at all. */
export function hashEmbed(text: string): number[] {
  const counts = new Map<string, number>();
  const normal = text.normalize("NFKC").toLowerCase();
  for (const [word] of normal.matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    count(counts, `w:${word}`);
    const characters = Array.from(`^${word}$`);
    for (let index = 0; index + 3 <= characters.length; index += 1) {
      count(counts, `t:${characters.slice(index, index + 3).join("")}`);
    }
  }
  // Emoji and punctuation alone are still a message, and its vector must have a length.
  if (counts.size === 0) count(counts, `r:${normal.trim()}`);
  const vector = Array.from({ length: dimensions }, () => 0);
  for (const [feature, times] of counts) {
    const hash = fnv1a(feature);
    const sign = hash >>> 31 === 0 ? 1 : -1;
    const weight = (feature.startsWith("t:") ? 0.5 : 1) * Math.sqrt(times);
    const place = hash % dimensions;
    vector[place] = (vector[place] ?? 0) + sign * weight;
  }
  const length = Math.hypot(...vector);
  // Two features may cancel each other out entirely.
  if (length === 0) return vector.map((_, place) => (place === 0 ? 1 : 0));
  return vector.map((value) => value / length);
}

function count(counts: Map<string, number>, feature: string): void {
  counts.set(feature, (counts.get(feature) ?? 0) + 1);
}

/** FNV-1a over UTF-16 units, 32 bits, with a final mix: its high bit alone is too regular to choose the sign. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
