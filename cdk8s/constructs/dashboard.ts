interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly queries: Readonly<Record<string, string>>;
}

const quantile = (share: number, metric: string) =>
  `histogram_quantile(${share}, sum by (le) (rate(discord_agent_${metric}_bucket{namespace="$namespace"}[5m])))`;
const rate = (metric: string, by: string) =>
  `sum by (${by}) (rate(discord_agent_${metric}{namespace="$namespace"}[5m]))`;
const most = (metric: string, by = "namespace") => `max by (${by}) (discord_agent_${metric}{namespace="$namespace"})`;

const panels: readonly Panel[] = [
  {
    title: "Messages a second",
    unit: "reqps",
    queries: { "{{message_type}}": rate("messages_total", "message_type") },
  },
  {
    title: "From hearing to having answered",
    unit: "s",
    queries: { p50: quantile(0.5, "response_time_seconds"), p95: quantile(0.95, "response_time_seconds") },
  },
  {
    title: "Waiting and given up",
    unit: "short",
    queries: { waiting: most("inbox_waiting_messages"), "given up": most("inbox_buried_messages") },
  },
  { title: "Oldest that waits", unit: "s", queries: { age: most("inbox_oldest_waiting_seconds") } },
  {
    title: "Calls of the model a second",
    unit: "reqps",
    queries: { "{{operation}} {{status}}": rate("gemini_api_calls_total", "operation, status") },
  },
  { title: "Tokens a second", unit: "short", queries: { "{{direction}}": rate("tokens_total", "direction") } },
  { title: "Errors a second", unit: "reqps", queries: { "{{error_type}}": rate("system_errors_total", "error_type") } },
  {
    title: "Breakers (2 is open)",
    unit: "short",
    queries: { "{{breaker}}": most("circuit_breaker_state", "breaker") },
  },
  {
    title: "Components (0 is down)",
    unit: "short",
    queries: { "{{pod}} {{component}}": most("component_up", "pod, component") },
  },
  {
    title: "Shards held",
    unit: "short",
    queries: { "{{state}}": `sum by (state) (discord_agent_gateway_shards{namespace="$namespace"})` },
  },
  { title: "Waiting for quota, p95", unit: "s", queries: { p95: quantile(0.95, "quota_wait_seconds") } },
  {
    title: "Memory of each process",
    unit: "bytes",
    queries: { "{{pod}} {{kind}}": most("process_memory_bytes", "pod, kind") },
  },
];

/** A dashboard for Grafana as its sidecar loads it: two panels a row. */
export function dashboard(): string {
  const datasource = { type: "prometheus", uid: "${datasource}" };
  return JSON.stringify(
    {
      title: "discord-agent",
      uid: "discord-agent",
      schemaVersion: 39,
      refresh: "30s",
      time: { from: "now-3h", to: "now" },
      templating: {
        list: [
          { name: "datasource", type: "datasource", query: "prometheus" },
          {
            name: "namespace",
            type: "query",
            datasource,
            query: "label_values(discord_agent_inbox_waiting_messages, namespace)",
            refresh: 2,
          },
        ],
      },
      panels: panels.map(({ title, unit, queries }, index) => ({
        id: index + 1,
        title,
        type: "timeseries",
        datasource,
        gridPos: { h: 8, w: 12, x: (index % 2) * 12, y: Math.floor(index / 2) * 8 },
        fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
        targets: Object.entries(queries).map(([legendFormat, expr], at) => ({
          refId: String.fromCodePoint(65 + at),
          datasource,
          expr,
          legendFormat,
        })),
      })),
    },
    null,
    1,
  );
}
