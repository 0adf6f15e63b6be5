import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseManifests } from "../../src/settings/agents-yaml.ts";
import { mustKubectl, noCluster } from "./kubectl.ts";

const reason = noCluster();

const words = ["y", "Y", "yes", "Yes", "YES", "yEs", "n", "No", "on", "On", "oN", "off", "OFF", "true", "TRUE", "tRUE"];
const times = ["12:30", "1:2:3", "190:20:30.15", "2026-11-23", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43"];
const octals = ["010", "-010", "+017", "0o17", "-0o17", "0O17", "08", "010.5", "00", "0777777777777777777777"];
const numbers = ["1_000", "1__0.5", "0x_1F", "-0x1F", "0X1f", "0xFFFFFFFFFFFFFFFFFF", "0b101", "+0b1", "1e3", "1e_3"];
const rest = ["0b", ".5_", "_1", "+_1", "1.", "-0", "123456789012345678", ".iNF", "=", "yes sir", "~x"];
const values = ["~", "null", "Null", "nUll", "1e400", "0xFFFFFFFFFFFFFFFF", "18446744073709551616"];
const letters = fc.constantFrom(..."00112789_xXoObBeEfF.+-:yYnNsStTrRuUlLaA");
/** What stands in no quotes, such as YAML 1.1 and 1.2 read alike and otherwise. */
const anyPlain = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...words, ...times, ...octals, ...numbers, ...rest) },
  { weight: 3, arbitrary: fc.string({ unit: letters, minLength: 1, maxLength: 6 }) },
);
/** Not what ends a document, is half a mapping or a list, or is a number that no JSON has: kubectl refuses the whole text for it. */
const isPlain = (text: string) => !/^-{1,3}$|^-{3}|^:|:$|^-:|^[-+]?\.(inf|nan)$/i.test(text);

/** What kubectl reads, without a cluster, and of which lines the product says that it reads them otherwise. */
function readings(lines: readonly string[]): { kubectl: readonly unknown[]; told: readonly unknown[] } {
  const text = `apiVersion: discord-agent.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec:\n${lines.map((line) => `- ${line}\n`).join("")}`;
  const json = mustKubectl(["annotate", "--local", "-f", "-", "read=here", "-o", "json"], text);
  const told = parseManifests("f", text).faults.filter(({ problem }) => problem.includes("to kubectl"));
  return {
    kubectl: (JSON.parse(json) as { spec: readonly unknown[] }).spec,
    told: told.map(({ where }) => lines[Number(/\[(\d+)\]/.exec(where)?.[1])]),
  };
}

describe.skipIf(reason !== null)(`the text that kubectl reads${reason === null ? "" : ` (${reason})`}`, () => {
  it("has a fault for each value that it reads otherwise, and for no other", () => {
    const texts = [...values, ...fc.sample(anyPlain, 4_000).filter(isPlain)];
    const { kubectl, told } = readings(texts);
    const here = texts.map((text) => parse(text) as unknown);
    const otherwise = texts.filter((_, index) => kubectl[index] !== here[index]);
    expect(told).toEqual(otherwise);
    expect(otherwise.length).toBeGreaterThan(200);
  });

  it("has a fault for each key that it writes otherwise, and for no other but fractions", () => {
    const texts = fc.sample(anyPlain, 4_000).filter(isPlain);
    const { kubectl, told } = readings(texts.map((text) => `${text}: 1`));
    const otherwise = texts.filter((text, index) => Object.keys(kubectl[index] as object)[0] !== text);
    const isFraction = (text: string) => /^[-+\d.]+[eE.]/.test(text);
    expect(told.filter((line) => !isFraction(String(line)))).toEqual(
      otherwise.filter((text) => !isFraction(text)).map((text) => `${text}: 1`),
    );
    expect(told).toEqual(expect.arrayContaining(otherwise.map((text) => `${text}: 1`)));
    expect(otherwise.length).toBeGreaterThan(200);
  });
});
