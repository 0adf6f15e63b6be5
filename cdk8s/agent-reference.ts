import type { Schema } from "./structural-schema.ts";

/** The page docs/reference/agent.md: every field of `Agent`, from the schema and the rules of its CustomResourceDefinition. */
export function agentReference(crd: Schema): string {
  const { versions } = crd["spec"] as { versions: readonly { schema: { openAPIV3Schema: Schema } }[] };
  const agent = versions[0]?.schema.openAPIV3Schema ?? {};
  const spec = (agent["properties"] as Schema)["spec"] as Schema;
  const fields = fieldsOf(spec, "spec");
  const rows = fields.map(({ path, schema, isRequired }) => {
    const cells = [`\`${path}\``, kindOf(schema), isRequired ? "required" : defaultOf(schema), limitsOf(schema)];
    return `| ${[...cells, textOf(schema["description"])].join(" | ").replaceAll("\n", " ")} |`;
  });
  const rules = [agent, spec, ...fields.map(({ schema }) => schema)].flatMap((schema) =>
    ((schema["x-kubernetes-validations"] ?? []) as readonly { message?: string }[]).flatMap(({ message }) =>
      message === undefined ? [] : `- ${message}`,
    ),
  );
  return `# Agent

\`apiVersion: discord-agent.dev/v1alpha1\`, \`kind: Agent\`; short \`dagent\`. On a laptop the same manifests are the file of \`--agents\`, see
[agents.yaml](../../agents.yaml); \`discord-agent validate FILE…\` says what a cluster would say of them.

This page is made by \`npm run synth\` from \`src/settings/agent-schema.ts\` and \`cdk8s/crd.ts\`.

| Field | Kind | Default | Limits | What it is |
|---|---|---|---|---|
${rows.join("\n")}

What else is refused, and what is said then:

${rules.join("\n")}

\`status\` has the conditions \`Accepted\` (its form is good), \`ReferencesResolved\` (the agents, ConfigMaps and tokens it names are there) and \`Serving\` (every pod
answers with this version): \`kubectl wait --for=condition=Serving dagent/NAME\`.
`;
}

interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

function fieldsOf(schema: Schema, path: string): Field[] {
  const required = (schema["required"] ?? []) as readonly string[];
  const properties = Object.entries((schema["properties"] ?? {}) as Readonly<Record<string, Schema>>);
  const inside = properties.flatMap(([name, child]) => {
    const here = `${path}.${name}`;
    return [{ path: here, schema: child, isRequired: required.includes(name) }, ...fieldsOf(child, here)];
  });
  const item = schema["items"] as Schema | undefined;
  return item === undefined ? inside : [...inside, ...fieldsOf(item, `${path}[]`)];
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

function kindOf({ type, items, additionalProperties, enum: words }: Schema): string {
  if (Array.isArray(words)) return words.map((word) => `\`${String(word)}\``).join(", ");
  if (type === "array") return `list of ${kindOf(items as Schema)}`;
  return type === "object" && additionalProperties !== undefined
    ? `map of ${kindOf(additionalProperties as Schema)}`
    : String(type);
}

function defaultOf({ type, default: value, properties }: Schema): string {
  if (value === undefined || (type === "object" && properties !== undefined)) return "";
  return `\`${JSON.stringify(value)}\``;
}

function limitsOf(schema: Schema): string {
  const said = (word: string, unit: string) =>
    schema[word] === undefined ? [] : [`${unit} ${Number(schema[word]).toLocaleString("en")}`];
  return [
    ...said("minimum", "from"),
    ...said("maximum", "to"),
    ...said("maxLength", "characters up to"),
    ...said("maxItems", "items up to"),
  ].join(", ");
}
