import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { alertGroups } from "../../cdk8s/constructs/alerts.ts";
import { readConfig } from "../../src/config.ts";
import { validateFiles } from "../../src/settings/agents-file.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { anchorsOf } from "./page.ts";
import { chartRefusals, conditionFaults, errorCodes, warnings } from "./sentences.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "operations", "troubleshooting.md"), "utf8");
const agentHead = { apiVersion: "discord-agent.dev/v1alpha1", kind: "Agent" };
const plain = { description: "knows everything", prompt: "You know everything." };
const repository = "https://github.com/discord-agent/discord-agent";
const exitCodes = ["0", "1", "78", "129, 130, 143", "137"];

interface Rule {
  readonly alert?: string;
  readonly annotations?: { readonly runbook_url: string };
}

describe("docs/operations/troubleshooting.md", () => {
  it("has an entry for every code of an error, and for none that there is not", () => {
    const listed = [...page.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, code]) => code);
    expect(listed).toEqual([...errorCodes()].toSorted((a, b) => a.localeCompare(b)));
  });

  it("has an entry for every line that is logged as a warning or an error", () => {
    expect(warnings().size).toBeGreaterThan(50);
    expect([...warnings()].filter((words) => !page.includes(words))).toEqual([]);
  });

  it("has no log line that the product does not write", () => {
    const [, lines = ""] = page.split("## By log line");
    const said = [...lines.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, line = ""]) => line.split("…").map((words) => words.trim())),
    );
    const known = [...warnings()];
    expect(said.filter((words) => words.length >= 10 && !known.some((one) => one.includes(words)))).toEqual([]);
  });

  it("shows sentences with field and remedy as they are said", async () => {
    const [, rest = ""] = page.split("## Sentences that name field and remedy\n");
    const [section = ""] = rest.split("\n## ");
    const saidOf = (environment: Readonly<Record<string, string>>) => {
      try {
        return `nothing of ${JSON.stringify(readConfig(environment))}`;
      } catch (error) {
        return (error as Error).message;
      }
    };
    const folder = await temporaryFolder();
    const path = join(folder.path, "agents.yaml");
    const agent = (name: string, more: object) =>
      stringify({ ...agentHead, metadata: { name }, spec: { ...plain, displayName: name, default: true, ...more } });
    await writeFile(path, `${agent("mira", { handoffs: ["mira"] })}---\n${agent("teo", {})}`);
    const { faults } = validateFiles([path]);
    await folder.remove();
    expect(faults).toHaveLength(2);

    const sentences = [
      saidOf({ LANES: "abc" }),
      saidOf({ GEMINI_REQUESTS_PER_MINUTE: "fast" }),
      ...faults.map(({ where, problem, remedy }) => `${where.split(" ").at(-1)}: ${problem}. ${remedy}`),
    ];
    expect(sentences.filter((said) => !section.includes(said))).toEqual([]);
    const ofTheCluster = "handoffs names the agent itself: remove its own name from spec.handoffs";
    expect(section).toContain(ofTheCluster);
    expect(readFileSync(join(root, "k8s", "crds", "agents.yaml"), "utf8")).toContain(ofTheCluster);
  });

  it("has an entry with cause and remedy for every sentence by which the chart refuses, and for none that it does not say", () => {
    const refusals = [...chartRefusals()];
    expect(refusals.length).toBeGreaterThan(5);
    const listed = saidUnder("By refusal of the chart");
    expect(listed.toSorted((a, b) => a.localeCompare(b))).toEqual(refusals.toSorted((a, b) => a.localeCompare(b)));
  });

  it("has an entry with cause and remedy for every fault in a condition of an Agent, and for none that there is not", () => {
    const faults = [...conditionFaults()];
    expect(faults.length).toBeGreaterThan(20);
    const listed = saidUnder("By condition of an Agent").map((said) => said.replace(/^(?:spec|metadata)\S*: /, ""));
    expect(faults.filter((words) => !listed.some((said) => said.includes(words)))).toEqual([]);
    const pieces = listed.flatMap((said) => said.split("…").map((words) => words.trim()));
    expect(pieces.filter((one) => one.length >= 10 && !faults.some((words) => words.includes(one)))).toEqual([]);
  });

  it("has an entry with cause and remedy for every alert, and none for another; the alert leads to it", () => {
    const rules = alertGroups("recorded").flatMap((group) => (group as { rules: readonly Rule[] }).rules);
    const alerts = rules.filter(({ alert }) => alert !== undefined);
    expect(alerts.length).toBeGreaterThan(5);
    const [, rest = ""] = page.split("## By alert\n");
    const [, ...entries] = (rest.split("\n## ")[0] ?? "").split("\n### ");
    expect(entries.map((entry) => entry.split("\n")[0])).toEqual(alerts.map(({ alert }) => alert));
    for (const entry of entries) expect(entry).toMatch(/\n\nCause: [\s\S]+\nRemedy: /);
    const anchors = anchorsOf(page);
    for (const { annotations } of alerts) {
      const [address, anchor = ""] = annotations?.runbook_url.split("#") ?? [];
      expect(address).toBe(`${repository}/blob/main/docs/operations/troubleshooting.md`);
      expect(anchors).toContain(anchor);
    }
  });

  it("has every exit code", () => {
    for (const code of exitCodes) expect(page).toContain(`\n| ${code} |`);
  });
});

/** What the entries of the tables under this heading say; each has to have a cause and a remedy. */
function saidUnder(heading: string): string[] {
  const [, rest = ""] = page.split(`## ${heading}\n`);
  const [section = ""] = rest.split("\n## ");
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) => {
    expect(row).toMatch(/^\| [^|]+ \| [^|]{5,} \| [^|]{5,} \|$/);
    const [, says = ""] = row.split("|");
    return [...says.matchAll(/`([^`]+)`/g)].map(([, said = ""]) => said);
  });
}
