import { describe, expect, it } from "vitest";
import { alertGroups } from "../../cdk8s/constructs/alerts.ts";
import { dashboard } from "../../cdk8s/constructs/dashboard.ts";
import { makeMetrics } from "../../src/metrics.ts";

const queries = [...JSON.stringify([alertGroups("recorded"), dashboard()]).matchAll(/discord_agent_[a-z_]+/g)].map(
  ([name]) => name.replace(/_(?:bucket|sum|count)$/, ""),
);

describe("alerts and dashboard", () => {
  it("name metrics that the program has", async () => {
    const metrics = await makeMetrics().registry.getMetricsAsJSON();
    const known = new Set(metrics.map(({ name }) => name));
    expect(queries.length).toBeGreaterThan(10);
    expect([...new Set(queries)].filter((name) => !known.has(name))).toEqual([]);
  });

  it("use labels that those metrics have", () => {
    const { messages, breakerState, componentUp, geminiCalls, kubernetesLastEvent, kubernetesRequests } =
      makeMetrics() as unknown as Record<string, { labelNames: string[] }>;
    const used = [messages, breakerState, componentUp, geminiCalls, kubernetesLastEvent, kubernetesRequests];
    expect(used.map((metric) => metric?.labelNames)).toEqual([
      ["message_type", "agent"],
      ["breaker"],
      ["component"],
      ["operation", "status"],
      ["kind"],
      ["kind", "operation", "status"],
    ]);
  });
});
