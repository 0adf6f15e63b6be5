import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { parse } from "yaml";
import type { z } from "zod";
import { committed } from "./committed.ts";
import { manifestFiles, neededFirst } from "./manifests.ts";
import { ignoreSecret, leftOut, removeOldSecret, secretsOf } from "./secrets.ts";
import { fillIn } from "./values/values-schema.ts";

const usage = `npm run synth                                   writes k8s/, charts/ and docs/reference/
npm run synth -- --values FILE --out DIR        your own manifests, with the values of the chart

  --name NAME         what the names of objects begin with (discord-agent)
  --namespace NAME    where they are (discord-agent)
  --env-file FILE     makes the Secret from an environment file; git is told to ignore it
  --agents FILE       Agents that are applied with it
`;

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(path, "utf8");
const { version } = JSON.parse(read(join(root, "package.json"))) as { version: string };

/** Whatever is wrong with what was given, all of it. */
class Refused extends Error {}

function synthesize(): void {
  const { values: flags } = parseArgs({
    options: {
      values: { type: "string" },
      out: { type: "string" },
      name: { type: "string", default: "discord-agent" },
      namespace: { type: "string", default: "discord-agent" },
      "env-file": { type: "string" },
      agents: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  const { out, values, agents, name, namespace, "env-file": envFile } = flags;
  if (out === undefined) {
    if (values !== undefined || envFile !== undefined || agents !== undefined)
      throw new Refused(`--out DIR: says where your manifests go\n\n${usage}`);
    return ours();
  }
  const data = readValues(values === undefined ? {} : parse(read(values)), values ?? "values");
  const env = envFile === undefined ? null : (parseEnv(read(envFile)) as Record<string, string>);
  const options = {
    values: data,
    name,
    namespace,
    version,
    ...(env === null ? {} : { secret: secrets(env, envFile ?? "") }),
    ...(agents === undefined ? {} : { agents: read(agents) }),
  };
  write(out, manifestFiles(options));
  if (env === null) say(removeOldSecret(out));
  else {
    ignoreSecret(out);
    for (const sentence of leftOut(env, data)) say(`${envFile}: ${sentence}`);
  }
  say(neededFirst(options));
  process.stdout.write(`kubectl apply -k ${out}\n`);
}

/** What is committed. */
function ours(): void {
  for (const [folder, files] of committed(root, version)) {
    rmSync(join(root, folder), { recursive: true, force: true });
    write(join(root, folder), files);
  }
}

function write(folder: string, files: ReadonlyMap<string, string>): void {
  for (const [name, text] of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function readValues(given: unknown, where: string) {
  const result = fillIn(given ?? {});
  if (result.success) return result.data;
  throw new Refused(result.error.issues.flatMap((issue) => sentences(issue, where)).join("\n"));
}

function sentences(issue: z.core.$ZodIssue, where: string): string[] {
  const path = (more: string[] = []) => [...issue.path.map(String), ...more].join(".") || "the file";
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${where}: ${path([key])} is no value; charts/discord-agent/README.md lists them`);
  return [`${where}: ${path()}: ${issue.message}; charts/discord-agent/README.md says what it takes`];
}

function say(sentence: string | null): void {
  if (sentence !== null) process.stderr.write(`${sentence}\n`);
}

function secrets(env: Readonly<Record<string, string>>, file: string): Record<string, string> {
  const { given, faults } = secretsOf(env);
  if (faults.length > 0) throw new Refused(faults.map((fault) => `${file}: ${fault}`).join("\n"));
  return given;
}

try {
  synthesize();
} catch (error) {
  const isForeseen = error instanceof Refused || (error instanceof Error && "code" in error);
  if (!isForeseen) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 78;
}
