import { expect, it } from "vitest";
import { nameTemplates } from "../../cdk8s/constructs/identity.ts";
import { fillIn } from "../../cdk8s/values/values-schema.ts";
import { releaseOf } from "./release-of.ts";

const longest = "a".repeat(43);

it("the longest name of a release leaves room for the label that a StatefulSet gives its pods: its own name, a dash and a hash", () => {
  const sets = releaseOf({ fullnameOverride: longest }).all.filter(({ kind }) => kind === "StatefulSet");
  expect(sets).toHaveLength(2);
  // The hash, controller-revision-hash, has up to ten characters, and a label 63.
  for (const { metadata } of sets) expect(`${metadata.name}-1234567890`.length).toBeLessThanOrEqual(63);
});

it.each(["nameOverride", "fullnameOverride"])("a longer %s is refused", (value) => {
  expect(fillIn({ [value]: longest }).success).toBe(true);
  expect(fillIn({ [value]: `${longest}a` }).error?.issues.map(({ path }) => path)).toEqual([[value]]);
});

it("a name that is made of the release's is cut to that length, by Helm too", () => {
  const { all } = releaseOf({ nameOverride: longest });
  expect(all.find(({ kind }) => kind === "Role")?.metadata.name).toBe(`bot-${longest}`.slice(0, 43));
  expect(nameTemplates).toContain("| trunc 43 |");
});
