import { Counter, Gauge, Histogram, Registry } from "prom-client";

const secondsBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 90];

/** Every metric of the product. Labels are closed sets of words: never the id of a user, guild, channel or message. */
export type Metrics = ReturnType<typeof makeMetrics>;

/** Builds all metrics on a registry of their own; nothing is registered globally. */
export function makeMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `discord_agent_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name: `discord_agent_${name}`, help, labelNames: [...labelNames], registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Histogram({
      name: `discord_agent_${name}`,
      help,
      labelNames: [...labelNames],
      buckets: secondsBuckets,
      registers,
    });
  return {
    registry,
    memoryOperations: counter("memory_operations_total", "Memory operations by type and outcome", [
      "operation_type",
      "status",
    ]),
    memoryOperationSeconds: histogram("memory_operation_duration_seconds", "Duration of memory operations", [
      "operation_type",
    ]),
    messages: countMessages(registers),
    responseSeconds: histogram("response_time_seconds", "From hearing a message to having spoken its answer", [
      "agent",
    ]),
    geminiCalls: counter("gemini_api_calls_total", "Calls that went out to the model's API", ["operation", "status"]),
    geminiSeconds: histogram("gemini_api_duration_seconds", "Duration of calls to the model's API", ["operation"]),
    tokens: counter("tokens_total", "Tokens used, as the provider counts them", ["direction"]),
    activeConnections: gauge("active_connections", "Open connections by kind", ["connection_type"]),
    systemErrors: counter("system_errors_total", "Errors by code and component", ["error_type", "component"]),
    breakerState: gauge("circuit_breaker_state", "0 closed, 1 half open, 2 open", ["breaker"]),
    thresholdBreached: gauge("threshold_breached", "1 while the p95 of the last minutes is over its target", [
      "threshold",
    ]),
    kubernetesRequests: counter("kubernetes_requests_total", "Lists, watches and writes of the API server by outcome", [
      "kind",
      "operation",
      "status",
    ]),
    kubernetesLastEvent: gauge("kubernetes_last_event_timestamp_seconds", "When a watch last told of anything", [
      "kind",
    ]),
    discordCalls: counter("discord_api_calls_total", "Requests to Discord's REST API by outcome", ["method", "status"]),
    gatewayEvents: counter("gateway_events_total", "Events of Discord's gateway by what became of them", ["status"]),
    gatewayConnects: counter("gateway_connects_total", "Sessions of the gateway by how they began", ["kind"]),
    gatewayShards: gauge("gateway_shards", "Shards that this process holds, by state", ["state"]),
    gatewayLag: histogram("gateway_store_seconds", "From the receipt of an event to its commit", []),
    ...inboxGauges(registry),
    componentUp: gauge("component_up", "0 while what the process needs cannot be used, by component", ["component"]),
    quotaWaitSeconds: histogram("quota_wait_seconds", "Time calls waited for the model's quota", ["priority"]),
    eventLoopLagSeconds: gauge("event_loop_lag_seconds", "p99 delay of the event loop since the last scrape", []),
    memoryBytes: gauge("process_memory_bytes", "Memory of the process by kind", ["kind"]),
  };
}

function countMessages(registers: Registry[]) {
  const messages = new Counter({
    name: "discord_agent_messages_total",
    help: "Messages by what became of them and the agent that took them",
    labelNames: ["message_type", "agent"] as const,
    registers,
  });
  // Prometheus sees no rise in a series that begins with 1: the first message that a process gives up would alert nobody.
  messages.inc({ message_type: "buried", agent: "none" }, 0);
  return messages;
}

/** How full the inbox is, in the words of its report. */
interface Fill {
  readonly waiting: number;
  readonly oldestWaitingSeconds: number;
  readonly buried: number;
}

/** Gauges of the inbox, read from it when they are scraped; `watchInbox` says how. They keep their last value when it cannot be read. */
function inboxGauges(registry: Registry) {
  let read: () => Promise<Fill | null> = async () => null;
  const gauge = (name: string, help: string, pick: (fill: Fill) => number) =>
    new Gauge({
      name: `discord_agent_inbox_${name}`,
      help,
      registers: [registry],
      async collect() {
        const fill = await read();
        if (fill !== null) this.set(pick(fill));
      },
    });
  gauge("waiting_messages", "Messages kept and not answered yet", (fill) => fill.waiting);
  gauge(
    "oldest_waiting_seconds",
    "Age of the oldest message that waits for its answer",
    (fill) => fill.oldestWaitingSeconds,
  );
  gauge("buried_messages", "Messages given up for good", (fill) => fill.buried);
  return {
    watchInbox: (report: () => Promise<Fill>) => {
      read = () => report().catch(() => null);
    },
  };
}
