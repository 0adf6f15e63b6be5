import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { validateFiles } from "../../src/settings/agents-file.ts";
import { manifest } from "./manifests.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agents-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(text: string): string {
  const path = join(folder, "agents.yaml");
  writeFileSync(path, text);
  return path;
}

describe("validate says what a cluster would say", () => {
  const promptFrom = (source: string) => manifest("a").replace(/prompt: .*/, `promptFrom: ${source}`);
  it("of what only a cluster can resolve", () => {
    const reference = "{name: x, key: k}";
    expect(validateFiles([write(promptFrom(`{configMapKeyRef: ${reference}}`))]).faults).toEqual([]);
    const voice = `voice: {tokenFrom: {secretKeyRef: ${reference}}}`;
    expect(validateFiles([write(manifest("a", voice))])).toEqual({ agents: 1, faults: [] });
  });

  it.each([
    ["promptFrom.file", promptFrom("{file: a.md}"), "is read on a laptop only"],
    ["promptFrom", promptFrom("{}"), "names nothing"],
    [
      "promptFrom.configMapKeyRef.name",
      promptFrom("{configMapKeyRef: {name: X_Y, key: k}}"),
      "has another form than expected",
    ],
    ["prompt", manifest("a").replace(/ {2}prompt: .*\n/, ""), "is missing"],
  ])("of %s", (field, text, problem) => {
    const [fault, ...others] = validateFiles([write(text)]).faults;
    expect(others).toEqual([]);
    expect(fault?.where).toMatch(new RegExp(`^\\S+ spec\\.${field}$`));
    expect(fault?.problem).toBe(problem);
  });

  const addressFaults = (address: string) => {
    const voice = `voice: {webhook: {avatarUrl: ${JSON.stringify(address)}}}`;
    return validateFiles([write(manifest("a", voice))]).faults.map(({ problem }) => problem);
  };
  it.each(["https:///x", "https://example.org/100%.png", "https://a\\b.org/x.png", "https://x:99999/", "https://x/\n"])(
    "of %j, which is no address",
    (address) => expect(addressFaults(address)).toEqual(["has another form than expected"]),
  );
  it.each(["https://x:65535", "https://bücher.example/%C3%BC.png?size=128#x"])(
    "of %j, which is an address",
    (address) => expect(addressFaults(address)).toEqual([]),
  );
  it("of an address that is too long", () => {
    expect(addressFaults(`https://${"x".repeat(900_000)}`)).toEqual(["is more than 2048 characters"]);
  });
});
