#!/usr/bin/env node
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readConfig, type Config } from "./config.ts";
import { Misconfigured, type Fault } from "./errors.ts";
import type { Component } from "./lifecycle/component.ts";
import type { Run } from "./lifecycle/run.ts";
import { makeLogger, type DestinationStream, type Logger } from "./log.ts";
import type { RoleOptions } from "./roles/foundation.ts";
import { makeTerminal } from "./terminal/terminal.ts";

const usage = `discord-agent [options]            talk with the agents in this terminal
discord-agent validate FILE…       only check manifests of agents, as a cluster would
discord-agent healthy              ask the process on HEALTH_CHECK_PORT whether it is ready: exit 0 or 1

  --data DIR      where everything is kept (./data)
  --agents PATH   a file of Agent manifests, or a folder of them (agents.yaml)
  --as NAME       who you are (you)
  --json          piped: one JSON object per answer
  --version
  --help

Piped, every line is a message and every answer a line. The environment is described in docs/configuration.md.
`;

const options = {
  data: { type: "string", default: "data" },
  agents: { type: "string", default: "agents.yaml" },
  as: { type: "string" },
  json: { type: "boolean", default: false },
  version: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** What the process was started with, beside its configuration: its flags, and what files of SECRETS_DIR held. */
type Given = { data: string; agents: string; as?: string; json: boolean; secrets: Readonly<Record<string, string>> };

const exitMisconfigured = 78;
const healthyMs = 2_500;
/** A stop that is over sooner needs no words. */
const noticeableMs = 300;
const leaving = "Finishing the answer, then leaving. Ctrl-C again leaves at once; whatever is not answered is kept.";

async function main(): Promise<void> {
  const parsed = readArguments();
  if (parsed === null) return;
  const { values, positionals } = parsed;
  if (values.help) return void process.stdout.write(usage);
  if (values.version) return void process.stdout.write(`${version()}\n`);
  if (positionals[0] === "validate") return validate(positionals.slice(1));
  if (positionals[0] === "healthy") return healthy();
  if (positionals.length > 0)
    return refuse([{ where: "arguments", problem: `"${positionals[0]}" is no command`, remedy: "See --help" }]);
  const configured = await configuration();
  if (configured === null) return;
  const { config, secrets } = configured;
  const given = { ...values, secrets };
  if (config.discord.token !== null || config.role === "migrate") await serve(config, given);
  else if (config.agentsFrom === "kubernetes") await waitForToken(config, given);
  else await converse(config, given);
}

/** Draws the prompt first and loads everything else behind it. */
async function converse(config: Config, given: Given): Promise<void> {
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  const log = makeLogger(config.logLevel, interactive ? logBehind(given.data) : process.stderr);
  const run = Promise.withResolvers<Run>();
  const terminal = makeTerminal({
    input: process.stdin,
    output: process.stdout,
    env: process.env,
    json: given.json,
    maxMessageChars: config.maxMessageChars,
    ...(given.as === undefined ? {} : { author: given.as }),
    log,
    now: () => new Date(),
    onDone: () => void run.promise.then((it) => it.requestStop()),
    onInterrupt: () => {
      void run.promise.then((it) => it.interrupt("SIGINT"));
      setTimeout(() => terminal.say(leaving), noticeableMs).unref();
    },
  });
  terminal.open();
  const { talkInTerminal } = await import("./roles/terminal.ts");
  run.resolve(await live(config, given, log, (role) => talkInTerminal(role, terminal)));
}

/** Lives on Discord until a signal ends it. Each role loads only what it needs. */
async function serve(config: Config, given: Given): Promise<void> {
  const log = logOf(config);
  switch (config.role) {
    case "all-in-one":
      await live(config, given, log, (await import("./roles/all-in-one.ts")).talkOnDiscord);
      break;
    case "gateway":
      await live(config, given, log, (await import("./roles/gateway.ts")).hearDiscord);
      break;
    case "worker":
      await live(config, given, log, (await import("./roles/worker.ts")).answerDiscord);
      break;
    case "migrate":
      await migrateOnce(config, given, log);
  }
}

/** Lives in a cluster without Discord, until its Secret has a token. */
async function waitForToken(config: Config, given: Given): Promise<void> {
  await live(config, given, logOf(config), (await import("./roles/without-token.ts")).waitForToken);
}

/** Brings the database to this build's schema and ends; with 1 when it is told to end before that. */
async function migrateOnce(config: Config, given: Given, log: Logger): Promise<void> {
  const { migrateDatabase } = await import("./roles/migrate.ts");
  const run = Promise.withResolvers<Run>();
  let isDone = false;
  const done = () => {
    isDone = true;
    void run.promise.then((it) => it.requestStop());
  };
  const exit = (code: number) => process.exit(isDone ? code : code || 1);
  run.resolve(await live(config, given, log, (role) => migrateDatabase(role, done), exit));
}

async function live(
  config: Config,
  given: Given,
  log: Logger,
  role: (options: RoleOptions) => readonly Component[],
  exit = (code: number) => process.exit(code),
): Promise<Run> {
  const [{ runComponents }, { makeMetrics }] = await Promise.all([
    import("./lifecycle/run.ts"),
    import("./metrics.ts"),
  ]);
  let running: Run | null = null;
  const lifecycle = {
    requestStop: () => running?.requestStop(),
    isReady: () => running?.isReady() ?? false,
    hasStarted: (component: Component) => running?.hasStarted(component) ?? false,
    obstacleOf: (component: Component) => running?.obstacleOf(component) ?? null,
    failedForGood: () => running?.failedForGood() ?? null,
  };
  const { secrets, data: dataDir, agents: agentsPath } = given;
  const self = { config, secrets, version: version(), dataDir, agentsPath, lifecycle, log };
  running = runComponents({
    components: role({ ...self, metrics: makeMetrics() }),
    waits: waitsForServers(config),
    drainDeadlineMs: config.drainDeadlineMs,
    log,
    signals: process,
    exit,
    complain: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  return running;
}

/** A fleet must not crash because a server is away; whoever sits before a terminal wants to know at once. */
function waitsForServers({ role, cluster, discord, agentsFrom }: Config): boolean {
  return cluster.pod !== null || (role !== "migrate" && (discord.token !== null || agentsFrom === "kubernetes"));
}

/** Each line names the pod, where there is one. */
function logOf({ logLevel, cluster: { pod, node, namespace } }: Config): Logger {
  const place = Object.fromEntries(Object.entries({ pod, node, namespace }).filter(([, value]) => value !== null));
  return makeLogger(logLevel, process.stderr, place);
}

/** A log on the screen would tear up the conversation; it stands beside the data instead. */
function logBehind(folder: string): DestinationStream {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "discord-agent.log");
  return { write: (line) => appendFileSync(path, line) };
}

function readArguments() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    refuse([{ where: "arguments", problem: (error as Error).message, remedy: "See --help" }]);
    return null;
  }
}

async function configuration(): Promise<{ config: Config; secrets: Given["secrets"] } | null> {
  try {
    const folder = process.env["SECRETS_DIR"]?.trim() || null;
    const secrets = folder === null ? {} : (await import("./settings/secret-files.ts")).readSecretFiles(folder);
    const config = readConfig({ ...secrets, ...set(process.env) });
    const mayLackToken =
      config.environment !== "production" || config.role === "migrate" || config.agentsFrom === "kubernetes";
    if (config.discord.token !== null || mayLackToken) return { config, secrets };
    const problem = "in production the bot talks on Discord, and there is no token";
    refuse([
      { where: "DISCORD_TOKEN", problem, remedy: "Set it, or unset ENVIRONMENT=production to talk in the terminal" },
    ]);
  } catch (error) {
    if (!(error instanceof Misconfigured)) throw error;
    refuse(error.faults);
  }
  return null;
}

/** An empty variable counts as unset, so that compose files can name what they pass on. */
function set(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
}

async function validate(paths: readonly string[]): Promise<void> {
  if (paths.length === 0)
    return refuse([{ where: "validate", problem: "no file was named", remedy: "discord-agent validate agents.yaml" }]);
  const { validateFiles } = await import("./settings/agents-file.ts");
  const { agents, faults } = validateFiles(paths);
  if (faults.length > 0) return refuse(faults);
  process.stdout.write(`${agents} ${agents === 1 ? "agent" : "agents"}, no faults\n`);
}

/** For the health check of an image that has no shell. */
async function healthy(): Promise<void> {
  const configured = await configuration();
  if (configured === null) return;
  const { healthPort } = configured.config;
  try {
    const url = `http://127.0.0.1:${healthPort}/health/ready`;
    const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(healthyMs) });
    process.stdout.write(ok ? "ready\n" : `not ready: /health/ready answers ${status}\n`);
    process.exitCode = ok ? 0 : 1;
  } catch {
    process.stdout.write(`nobody answers on port ${healthPort}\n`);
    process.exitCode = 1;
  }
}

function refuse(faults: readonly Fault[]): void {
  for (const { where, problem, remedy } of faults) process.stderr.write(`${where}: ${problem}. ${remedy}\n`);
  process.exitCode = exitMisconfigured;
}

function version(): string {
  const file = readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}

await main();
