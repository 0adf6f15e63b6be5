import { stringify } from "yaml";
import * as z from "zod";
import { valuesSchema } from "./values/values-schema.ts";

/** One node of the schema of values. */
interface Node {
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
}

const schema = z.toJSONSchema(valuesSchema, { io: "input", target: "draft-7" }) as Node;
const defaults = valuesSchema.parse({}) as Readonly<Record<string, unknown>>;

/** A value with the path to it. */
interface Row {
  readonly path: string;
  readonly node: Node;
  readonly value: unknown;
}

function rowsOf(node: Node, value: unknown, path: string): Row[] {
  if (node.properties === undefined || path.endsWith("resources")) return [{ path, node, value }];
  return Object.entries(node.properties).flatMap(([field, child]) =>
    rowsOf(
      child,
      (value as Readonly<Record<string, unknown>> | undefined)?.[field],
      path === "" ? field : `${path}.${field}`,
    ),
  );
}

/** values.yaml of the chart: every default with its meaning over it. */
export function valuesYaml(): string {
  const head = "# Made by `npm run synth` from cdk8s/values/values-schema.ts; README.md lists the same as a table.\n";
  return head + section(schema, defaults, 0).join("\n") + "\n";
}

function section(node: Node, value: Readonly<Record<string, unknown>>, depth: number): string[] {
  const indent = "  ".repeat(depth);
  return Object.entries(node.properties ?? {}).flatMap(([field, child]) => {
    const comment = child.description === undefined ? [] : [`${indent}# ${child.description}`];
    const own = value[field];
    if (own === undefined) return [...comment, `${indent}# ${field}:`];
    if (child.properties !== undefined && field !== "resources") {
      const inner = section(child, own as Readonly<Record<string, unknown>>, depth + 1);
      const isNothing = inner.every((line) => line.trimStart().startsWith("#"));
      return [...comment, `${indent}${field}:${isNothing ? " {}" : ""}`, ...inner];
    }
    const text = stringify({ [field]: own }, { lineWidth: 0, version: "1.1" }).trimEnd();
    return [...comment, ...text.split("\n").map((line) => indent + line)];
  });
}

/** README.md of the chart. */
export function readme(): string {
  const rows = rowsOf(schema, defaults, "").map(({ path, node, value }) => {
    const choice = node.enum === undefined ? "" : ` (${node.enum.join(", ")})`;
    const fallback = value === undefined ? "" : `\`${JSON.stringify(value).replaceAll("|", "\\|")}\``;
    return `| \`${path}\` | ${fallback} | ${(node.description ?? "").replaceAll("|", "\\|")}${choice} |`;
  });
  return `# discord-agent

The chart of discord-agent: one pod with its databases to try it out (the default), or gateways and workers on your own
databases (\`topology: split\`). It is made of the same constructs as \`k8s/\`; a value that does not exist is refused by name.

\`\`\`sh
helm install discord-agent charts/discord-agent --namespace discord-agent --create-namespace
\`\`\`

The CRD \`agents.discord-agent.dev\` and the Agents stay when the release is uninstalled, and so do the volumes of the bundled
databases and of the embedded one. The bundled Postgres has no password; the NetworkPolicies of the release let only the bot reach it, where the cluster
enforces them.

This page is made by \`npm run synth\`.

| Value | Default | Meaning |
|---|---|---|
${rows.join("\n")}
`;
}
