import { randomFrom } from "../test/random.ts";

export const dimensions = 768;
const topics = 200;
const words =
  "river stone garden cat mountain deploy server coffee music train winter paper light bridge market dinner summer code".split(
    " ",
  );

/** A vector about one of 200 topics, as embeddings lie in clusters and not anywhere. */
export function vectorOf(random: () => number): readonly number[] {
  const topic = Math.floor(random() * topics);
  const centre = randomFrom(1_000 + topic);
  return Array.from({ length: dimensions }, () => centre() - 0.5 + (random() - 0.5));
}

/** Some words as people use them: a few often, many seldom. */
export function sentence(random: () => number): string {
  const length = 6 + Math.floor(random() * 12);
  return Array.from(
    { length },
    () => `${words[Math.floor(random() * words.length)]}${Math.floor(random() ** 3 * 400)}`,
  ).join(" ");
}
