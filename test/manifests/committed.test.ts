import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { committed } from "../../cdk8s/committed.ts";
import { agentCrd } from "../../cdk8s/crd.ts";

const root = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

/** The files below a folder with their texts. */
function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

describe("what is committed", () => {
  const folders = committed(root, version);

  it.each([...folders.keys()])("%s is what npm run synth writes, no file more or less", (folder) => {
    expect(filesIn(join(root, folder))).toEqual(Object.fromEntries(folders.get(folder) ?? []));
  });

  it("is the same each time", () => {
    expect(committed(root, version)).toEqual(folders);
  });

  it("has a CRD that kubectl apply takes, which writes it a second time into an annotation", () => {
    expect(statSync(join(root, "k8s", "crds", "agents.yaml")).size).toBeLessThan(32 * 1_024);
  });

  it("lists in the reference the sentence of every rule of the CRD, wherever it stands", () => {
    const rules: { message: string }[] = [];
    JSON.stringify(agentCrd(), (key, value: unknown) => {
      if (key === "x-kubernetes-validations") rules.push(...(value as { message: string }[]));
      return value;
    });
    expect(rules.length).toBeGreaterThan(10);
    const reference = folders.get("docs/reference")?.get("agent.md") ?? "";
    expect(rules.filter(({ message }) => !reference.includes(`\n- ${message}\n`))).toEqual([]);
  });

  it("has probes, grace and drain that fit together, and runs as nobody who may do anything", () => {
    const text = folders.get("k8s/production")?.get("10-discord-agent.yaml") ?? "";
    for (const words of [
      "path: /health/live",
      "path: /health/ready",
      "terminationGracePeriodSeconds: 120",
      "readOnlyRootFilesystem: true",
      "runAsNonRoot: true",
    ])
      expect(text).toContain(words);
    expect(text).not.toMatch(/latest|kind: Secret\n/);
  });
});
