import type { Condition, Values } from "./values.ts";

/** Placeholders in the tree of an object; template-text.ts turns them into actions of Helm. */
type Placeholder =
  | { readonly $inline: string }
  | { readonly $items: string }
  | { readonly $when: string; readonly $node: unknown };

/** Begins the key that stands for the entries of a map. */
export const entriesMark = "$entries ";

/** Values that only Helm knows: constructs over them make the templates of the chart. */
export function templateValues(): Values {
  const reference = (path: string) => `.Values.${path}`;
  const inline = (expression: string): Placeholder => ({ $inline: `toJson (${expression})` });
  const condition = (template: string): Condition => ({ template, holds: false });
  return {
    value: (path) => inline(reference(path)),
    unlessEmpty: (path): Placeholder => ({ $when: reference(path), $node: inline(reference(path)) }),
    pair: ({ template }) => inline(template),
    text: (...parts) => {
      const format = parts.map((part) => (typeof part === "string" ? part.replaceAll("%", "%%") : "%s")).join("");
      const known = parts.flatMap((part) => (typeof part === "string" ? [] : [` (${part.template})`]));
      return inline(`printf ${JSON.stringify(format)}${known.join("")}`);
    },
    when: ({ template }, node): Placeholder => ({ $when: template, $node: node }),
    items: (list): Placeholder[] => [{ $items: typeof list === "string" ? reference(list) : list.template }],
    entries: (path) => ({ [entriesMark + reference(path)]: true }),
    is: (path) => condition(reference(path)),
    equals: (path, word) => condition(`eq ${reference(path)} ${JSON.stringify(word)}`),
    at: (path) => ({ template: `toString ${reference(path)}`, literal: () => reference(path) }),
  };
}
