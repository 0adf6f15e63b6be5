import { home } from "../home.ts";

/** Where the cause and the remedy of an alert stand; the anchor is that of the heading with its name. */
const runbook = (alert: string) => `${home}/blob/main/docs/operations/troubleshooting.md#${alert.toLowerCase()}`;

interface Alert {
  readonly name: string;
  readonly expression: string;
  readonly for: string;
  readonly severity: "warning" | "critical";
  readonly summary: string;
  readonly description: string;
}

const lastEvent = "max by (namespace, pod, kind) (discord_agent_kubernetes_last_event_timestamp_seconds)";
/** A watch that has told of something does so each minute; one that never did has no time of it, only failures. */
const failedReads =
  'sum by (namespace, pod, kind) (rate(discord_agent_kubernetes_requests_total{operation=~"list|watch",status="error"}[15m]))';

const alerts: readonly Alert[] = [
  {
    name: "DiscordAgentComponentDown",
    expression: "min by (namespace, pod, component) (discord_agent_component_up) == 0",
    for: "1m",
    severity: "critical",
    summary: "{{ $labels.pod }} cannot use {{ $labels.component }}",
    description: "Messages are kept and wait until it is back. /status of the pod says why.",
  },
  {
    name: "DiscordAgentMessagesWait",
    expression: "max by (namespace) (discord_agent_inbox_oldest_waiting_seconds) > 120",
    for: "1m",
    severity: "critical",
    summary: "Somebody has waited for an answer for more than two minutes",
    description: "Workers are too few, the model's quota is used up, or a dependency is down.",
  },
  {
    name: "DiscordAgentMessagesBuried",
    // Not the gauge of the inbox: it is 0 until a new process has read the inbox, and then jumps to all of old.
    expression: 'sum by (namespace) (increase(discord_agent_messages_total{message_type="buried"}[15m])) > 0',
    for: "0m",
    severity: "warning",
    summary: "A message was given up for good",
    description: "/status lists the last ones with their reasons.",
  },
  {
    name: "DiscordAgentBreakerOpen",
    // It is half open for moments, again and again.
    expression: "max by (namespace, breaker) (max_over_time(discord_agent_circuit_breaker_state[2m])) == 2",
    for: "5m",
    severity: "warning",
    summary: "The breaker {{ $labels.breaker }} stays open",
    description: "What it protects has failed again and again; answers come from the next rung of the ladder.",
  },
  {
    name: "DiscordAgentSettingsStale",
    expression: `time() - ${lastEvent} > 1800 or (${failedReads} > 0 unless ${lastEvent})`,
    for: "5m",
    severity: "warning",
    summary: "{{ $labels.pod }} has heard nothing of kind {{ $labels.kind }} for half an hour, or never",
    description:
      "It goes on with what it knows of that kind; changes do not reach it. Look at the API server and the Role.",
  },
];

/** How often turns ended so. */
const ended = (types: string, window: string) =>
  `sum by (namespace) (rate(discord_agent_messages_total{message_type=~"${types}"}[${window}]))`;
/** Share of answers that failed over a time, of all that were owed: what people say among themselves is ignored, and far more. */
const failed = (window: string) => `${ended("buried", window)} / ${ended("answered|redelivered|buried", window)}`;

/** Of a goal of 99.5% in 30 days: what burns 2% of the month's budget in an hour, or 5% in six. */
const burning = [
  { name: "DiscordAgentBurnsBudgetFast", long: "1h", short: "5m", factor: 14.4, severity: "critical" },
  { name: "DiscordAgentBurnsBudget", long: "6h", short: "30m", factor: 6, severity: "warning" },
].map(({ name, long, short, factor, severity }) => ({
  alert: name,
  expr: `(${failed(long)}) > ${factor} * 0.005 and (${failed(short)}) > ${factor} * 0.005`,
  labels: { severity },
  annotations: {
    summary: "Too many messages fail",
    description: `At this rate the month's budget of failed answers (0.5%) is gone ${factor} times too soon.`,
    runbook_url: runbook(name),
  },
}));

/** The groups of the PrometheusRule; the first records the metric that workers are scaled by. */
export function alertGroups(waitingMessages: string): object[] {
  return [
    {
      name: "discord-agent.scaling",
      interval: "15s",
      rules: [{ record: waitingMessages, expr: "max by (namespace) (discord_agent_inbox_waiting_messages)" }],
    },
    {
      name: "discord-agent.alerts",
      rules: alerts.map(({ name, expression, for: hold, severity, summary, description }) => ({
        alert: name,
        expr: expression,
        for: hold,
        labels: { severity },
        annotations: { summary, description, runbook_url: runbook(name) },
      })),
    },
    { name: "discord-agent.budget", rules: burning },
  ];
}
