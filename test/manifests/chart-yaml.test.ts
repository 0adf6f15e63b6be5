import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { chartYaml } from "../../cdk8s/chart-yaml.ts";
import { valuesSchema } from "../../cdk8s/values/values-schema.ts";
import { manifestFaults } from "../../src/settings/manifest-faults.ts";

const root = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const { annotations } = chartYaml(version, valuesSchema.parse({})) as { annotations: Record<string, string> };
const annotation = (name: string) => parse(annotations[`artifacthub.io/${name}`] ?? "") as unknown;

describe("Chart.yaml", () => {
  it("names every image that a release runs with its defaults, and no other", () => {
    const trial = readFileSync(join(root, "k8s", "trial", "10-discord-agent.yaml"), "utf8");
    const run = new Set([...trial.matchAll(/^ +image: (\S+)$/gm)].map(([, image]) => image));
    expect(new Set((annotation("images") as { image: string }[]).map(({ image }) => image))).toEqual(run);
  });

  it("shows an Agent that the schema takes", () => {
    const [example] = annotation("crdsExamples") as unknown[];
    expect(manifestFaults(example)).toEqual([]);
  });

  it("leads to pages that there are", () => {
    const pages = (annotation("links") as { url: string }[]).flatMap(
      ({ url }) => /\/(?:tree|blob)\/main\/(.*)$/.exec(url)?.[1] ?? [],
    );
    expect(pages.length).toBeGreaterThan(0);
    expect(pages.filter((page) => !existsSync(join(root, page)))).toEqual([]);
  });

  it("says what the version changes, and is not written for a version of which nobody has said it", () => {
    expect(annotation("changes")).toContainEqual({ kind: "added", description: expect.any(String) as string });
    expect(() => chartYaml("99.0.0", valuesSchema.parse({}))).toThrow("say under changes what version 99.0.0 changes");
  });
});

it("NOTES.txt has a Secret made by hand only where no ExternalSecret makes it", () => {
  const notes = readFileSync(join(root, "charts", "discord-agent", "templates", "NOTES.txt"), "utf8");
  const branches =
    /^\{\{- if \.Values\.externalSecret\.enabled \}\}\n(.*)\n\{\{- else \}\}\n([^]*?)\n\{\{- end \}\}\n/m.exec(notes);
  expect(branches?.slice(1)).toEqual([
    expect.stringMatching(/ wait --for=condition=Ready externalsecret\/\{\{ \$secret \}\}$/),
    expect.stringContaining(" create secret generic {{ $secret }} "),
  ]);
  expect(notes.split(" create secret ")).toHaveLength(2);
});
