import { describe, expect, it } from "vitest";
import { parseManifests } from "../../src/settings/agents-yaml.ts";
import { manifest } from "./manifests.ts";

const faultsOf = (text: string) =>
  parseManifests("agents.yaml", text).faults.map(({ where, problem, remedy }) => `${where}: ${problem}. ${remedy}`);

describe("what kubectl would send as something else", () => {
  it.each([
    [
      "model: {name: On}",
      'spec.model.name: On means true to kubectl, and "On" here. Put it in quotes, or write true or false',
    ],
    [
      "channels: {weights: {on: 0.5}}",
      'spec.channels.weights.on: the key on means true to kubectl, and "on" here. Put it in quotes',
    ],
    [
      "budget: {timeoutSeconds: 010}",
      "spec.budget.timeoutSeconds: 010 means 8 to kubectl, and 10 here. Put it in quotes, or write the number in plain decimal digits",
    ],
  ])("is a fault: %s", (field, fault) => expect(faultsOf(manifest("a", field))).toEqual([`agents.yaml:9 ${fault}`]));

  it("is named wherever it stands, all at once, and nothing else is", () => {
    const text = `kind: List
items:
- apiVersion: discord-agent.dev/v1alpha1
  kind: Agent
  metadata: {name: a, labels: {team: off}}
  spec:
    displayName: On
    description: does a
    prompt: You are a.
    triggers:
      mention: yes
      keywords: [yes, "no", no, 'y', y, N, !!str on, yes sir, ~x, 12:30, 2026-11-23, 1_000, 0b1, 017, -0x1F, 08, 0o17]
    channels:
      weights: {"on": 1, !!str yes: 1, Off: 1, 017: 1, 123456789012345678: 1}
    budget: { timeoutSeconds: &few !!int "010", dailyTokens: *few, maxTokensPerTurn: ~ }
`;
    const told = faultsOf(text).filter((fault) => fault.includes("kubectl"));
    expect(told.map((fault) => fault.split(",")[0])).toEqual([
      "agents.yaml:5 items[0].metadata.labels.team: off means false to kubectl",
      "agents.yaml:7 items[0].spec.displayName: On means true to kubectl",
      "agents.yaml:11 items[0].spec.triggers.mention: yes means true to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[0]: yes means true to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[2]: no means false to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[4]: y means true to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[5]: N means false to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[11]: 1_000 means 1000 to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[12]: 0b1 means 1 to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[13]: 017 means 15 to kubectl",
      "agents.yaml:12 items[0].spec.triggers.keywords[14]: -0x1F means -31 to kubectl",
      "agents.yaml:14 items[0].spec.channels.weights.Off: the key Off means false to kubectl",
      "agents.yaml:14 items[0].spec.channels.weights.017: the key 017 means 15 to kubectl",
      "agents.yaml:15 items[0].spec.budget.timeoutSeconds: 010 means 8 to kubectl",
    ]);
  });
});
