import { stringify } from "yaml";

/** The first line of what is made. */
export const note = "# Made by `npm run synth`; edit what it is made from, in cdk8s/.\n";

/** The text of a file that holds these objects, the same for the same objects. */
export function yamlText(objects: readonly unknown[]): string {
  const documents = objects.map((object) =>
    stringify(object, { lineWidth: 0, aliasDuplicateObjects: false, version: "1.1", compat: "core" }),
  );
  return note + documents.map((document) => `---\n${document}`).join("");
}
