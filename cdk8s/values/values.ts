/** Something that holds or not: known here, or asked by Helm when the chart is rendered. */
export interface Condition {
  readonly template: string;
  readonly holds: boolean;
}

/** A value in a manifest: what it is, or a placeholder that the chart's writer turns into an action. */
export type Node = unknown;

/** A part of a text: written as it is, or a value. */
type Part = string | Pair<string>;

/** One meaning in two languages: as an expression of Helm, and as its value. */
export interface Pair<T = unknown> {
  readonly template: string;
  readonly literal: () => T;
}

/**
 * What constructs are given instead of values, so that one description makes manifests and a chart. Paths are those of values-schema.ts. Arithmetic
 * on what comes back is not possible: it may be a placeholder.
 */
export interface Values {
  /** The value at a path, whole. */
  value(path: string): Node;
  /** The value at a path, left out while it is empty: the API server drops what is empty, and every later apply would find a difference. */
  unlessEmpty(path: string): Node;
  /** A value that is computed. */
  pair(pair: Pair): Node;
  /** A text made of parts. */
  text(...parts: Part[]): Node;
  /** The node, where the condition holds; otherwise it and its key or place are left out. */
  when(condition: Condition, node: Node): Node;
  /** The items of the list at a path, or of one that is computed, to be spread among others. */
  items(list: string | Pair<readonly Node[]>): Node[];
  /** The entries of the map at a path, to be spread among others. */
  entries(path: string): Record<string, Node>;
  /** True for what is neither false, zero nor empty. */
  is(path: string): Condition;
  equals(path: string, word: string): Condition;
  /** The text at a path, as a part of a text or of an expression. */
  at(path: string): Pair<string>;
}

/** Holds where the other does not. */
export const not = ({ template, holds }: Condition): Condition => ({ template: `not (${template})`, holds: !holds });

/** Holds where all do. */
export const all = (...conditions: Condition[]): Condition => ({
  template: `and ${conditions.map(({ template }) => `(${template})`).join(" ")}`,
  holds: conditions.every(({ holds }) => holds),
});
