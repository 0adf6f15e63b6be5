import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { valuesSchema } from "../../cdk8s/values/values-schema.ts";
import { anchorsOf } from "./page.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const pages = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md", { cwd: root })].toSorted();
/** What is made by hand while following a page, or lies in somebody's cluster. */
const notOurs = new Set(["my.yaml", "x.yaml"]);

/** What stands between backticks, and every word of a block of commands. */
function wordsOf(page: string): string[] {
  const blocks = [...page.matchAll(/^ *```(?:sh|console)\n([\s\S]*?)^ *```$/gm)].map(([, commands = ""]) => commands);
  const inline = [...page.replaceAll(/^ *```[\s\S]*?^ *```$/gm, "").matchAll(/`([^`\n]+)`/g)];
  return [...inline.map(([, code = ""]) => code), ...blocks].flatMap((code) => code.split(/[\s;=]+/));
}

describe.each(pages)("%s", (path) => {
  const page = read(path);

  it("leads only to pages and headings that are there", () => {
    const links = [...page.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
    const lost = links.filter(([, to = "", heading]) => {
      const target = to === "" ? path : join(dirname(path), to);
      if (!existsSync(join(root, target))) return true;
      return heading !== undefined && !anchorsOf(read(target)).has(heading);
    });
    expect(lost.map(([link]) => link)).toEqual([]);
  });

  it("names scripts of npm that there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> };
    const named = [...page.matchAll(/npm run (?:-s |--silent )?([a-z][\w:]*)/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("names files that are there", () => {
    const ours =
      /^(?:k8s|charts|cdk8s|docs|scripts|src|test|bench|\.ci)\/[\w./-]+$|^[\w.-]+\.(?:yaml|json)$|^\.env\.production$/;
    const paths = wordsOf(page).filter((word) => ours.test(word) && !notOurs.has(word));
    const isThere = (one: string) =>
      [one, `${one}.test.ts`, join("charts", "discord-agent", one)].some((file) => existsSync(join(root, file)));
    expect(paths.filter((one) => !isThere(one))).toEqual([]);
  });
});

/** Pages that tell what to do with a cluster. */
const ofClusters = [
  "docs/kubernetes.md",
  "docs/operations/deployment.md",
  "docs/operations/failures.md",
  "docs/operations/image.md",
];

describe.each(ofClusters)("%s", (path) => {
  const page = read(path);

  it("names values that the chart takes", () => {
    const defaults: unknown = valuesSchema.parse({});
    const dotted = /^[a-z][A-Za-z]+(?:\.[a-z][A-Za-z]+)+$/;
    const named = wordsOf(page).filter((word) => dotted.test(word) && !/^(?:agents|my|inbox|bootstrap)\./.test(word));
    const [first = ""] = path.match(/kubernetes|deployment/) ?? [];
    expect(first === "" || named.length > 0).toBe(true);
    expect(named.filter((name) => at(defaults, name) === undefined)).toEqual([]);
  });

  it("shows values that are taken as they stand", () => {
    const shown = [...page.matchAll(/^ *```yaml\n([\s\S]*?)^ *```$/gm)].map(([, text = ""]) => parse(text) as object);
    for (const values of shown) expect(valuesSchema.safeParse(values).error?.issues ?? []).toEqual([]);
  });

  it("names objects that the manifests have", () => {
    const files = globSync("k8s/*/*.yaml", { cwd: root }).map(read);
    const objects = files.flatMap((text) => parseAllDocuments(text).map((one) => one.toJS() as Named | null));
    const names = new Set(objects.flatMap((one) => (one === null ? [] : [one.metadata.name])));
    const kinds = new Set(objects.flatMap((one) => (one === null ? [] : [one.kind.toLowerCase()])));
    const namesOf = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, name = ""]) => name);
    const known = (name: string) => names.has(name);
    expect(namesOf(/crd\/([\w.-]+)/g).filter((name) => !known(name))).toEqual([]);
    expect(namesOf(/dagent\/([a-z]+)/g).filter((name) => !known(name))).toEqual([]);
    expect(namesOf(/(?:-n|--namespace)[ =]([a-z-]+)/g).filter((name) => !known(name) && name !== "default")).toEqual(
      [],
    );
    expect(namesOf(/`(discord-agent-[a-z-]+)`/g).filter((name) => !known(name))).toEqual([]);
    const asked = namesOf(/rollout (?:status|restart|undo) ([a-z]+)\b/g).filter((kind) =>
      /^(?:deploy|stateful)/.test(kind),
    );
    expect(asked.filter((kind) => !kinds.has(kind))).toEqual([]);
  });
});

interface Named {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

function at(value: unknown, path: string): unknown {
  return path.split(".").reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

it.each([...pages, ".env.production"])(
  "%s starts sources with the Node of the project, as a machine's own may be too old",
  (path) => {
    expect(read(path).match(/(?<!npx |[/\w])node(?: -\S+)* [\w./-]+\.ts\b/g) ?? []).toEqual([]);
  },
);

it("flags of npm run synth and npm run package on the pages are those that the scripts read", () => {
  for (const [script, file] of [
    ["synth", "cdk8s/main.ts"],
    ["package", "scripts/package.ts"],
  ] as const) {
    const used = pages.flatMap((path) => [...read(path).matchAll(new RegExp(`npm run ${script} -- ([^\`\\n]*)`, "g"))]);
    const flags = used.flatMap(([, typed = ""]) => [...typed.split("&&")[0]!.matchAll(/--([a-z-]+)/g)]);
    expect(flags.length).toBeGreaterThan(2);
    const source = read(file);
    for (const [, flag = ""] of flags) expect(source).toMatch(new RegExp(`^ +"?${flag}"?: \\{ type:`, "m"));
  }
});

it("services and profiles of docker compose on the pages are those of compose.yaml", () => {
  const { services } = parse(read("compose.yaml")) as { services: Readonly<Record<string, { profiles?: string[] }>> };
  const profiles = new Set(Object.values(services).flatMap(({ profiles: own = [] }) => own));
  const text = pages.map(read).join("\n");
  const named = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = ""]) => name);
  expect(named(/docker compose --profile (\w+)/g).filter((name) => !profiles.has(name))).toEqual([]);
  const used = named(/docker compose (?:exec -T|logs|stop|restart|run --rm) ([\w-]+)/g);
  expect(used.length).toBeGreaterThan(4);
  expect(used.filter((name) => !(name in services))).toEqual([]);
});

it("no service of compose.yaml asks for processors: Docker starts none that wants more than the machine has", () => {
  const { services } = parse(read("compose.yaml"), { merge: true }) as { services: Readonly<Record<string, object>> };
  const limits = Object.values(services).flatMap((service) => Object.keys(service));
  expect(limits).toContain("mem_limit");
  expect(limits.filter((name) => /^cpu|^deploy$/.test(name))).toEqual([]);
});
