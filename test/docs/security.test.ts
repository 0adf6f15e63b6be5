import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { variables } from "../../src/config-variables.ts";
import { releaseOf } from "../manifests/release-of.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "security.md"), "utf8");
const [, privacy = ""] = page.split("## Privacy and retention");

describe("docs/security.md", () => {
  it("names tests that are there", () => {
    const tests = [...page.matchAll(/`(test\/[\w/.-]+)`/g)].map(([, path = ""]) => path);
    expect(tests.length).toBeGreaterThan(15);
    expect(tests.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("says of every table that holds something of people how long it is kept", () => {
    const schema = globSync("src/memory/migrations/*.sql", { cwd: root }).map((path) =>
      readFileSync(join(root, path), "utf8"),
    );
    const tables = [...schema.join("\n").matchAll(/^create table (\w+)/gm)].map(([, name = ""]) => name);
    const ofNobody = new Set([
      "term_counts",
      "scope_sizes",
      "shards",
      "identifies",
      "registered_commands",
      "serving",
      "leases",
    ]);
    const ofPeople = tables.filter((name) => !ofNobody.has(name));
    expect(ofPeople).toContain("feedback");
    expect(ofPeople.filter((name) => !privacy.includes(`\`${name}\``))).toEqual([]);
  });

  it("names every port that the NetworkPolicies leave open by default", () => {
    const values = { topology: "split", postgres: { enabled: false }, redis: { enabled: false } };
    const { egress } = releaseOf(values).get("NetworkPolicy", "bot-discord-agent-bot")["spec"] as {
      egress: readonly { readonly ports: readonly { readonly port: number }[] }[];
    };
    const ports = new Set(egress.flatMap((rule) => rule.ports.map(({ port }) => port)).filter((port) => port !== 53));
    expect(ports.size).toBe(9);
    const [row = ""] = page.match(/^\| A pod that is taken over looks around .*$/m) ?? [];
    expect([...ports].filter((port) => !new RegExp(`\\b${port}\\b`).test(row))).toEqual([]);
  });

  it("names variables that there are", () => {
    const known = new Set(variables.map(({ name }) => name));
    const named = [...privacy.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});
