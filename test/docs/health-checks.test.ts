import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import type { Component } from "../../src/lifecycle/component.ts";
import { makeMetrics } from "../../src/metrics.ts";
import { talkOnDiscord } from "../../src/roles/all-in-one.ts";
import type { RoleOptions } from "../../src/roles/foundation.ts";
import { hearDiscord } from "../../src/roles/gateway.ts";
import { waitForToken } from "../../src/roles/without-token.ts";
import { answerDiscord } from "../../src/roles/worker.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "operations", "health-checks.md"), "utf8");

/** The parts of a role with everything it can be connected to; nothing is opened. */
function partsOf(role: (options: RoleOptions) => readonly Component[]): string[] {
  const config = readConfig({
    DISCORD_TOKEN: "x",
    GEMINI_API_KEY: "x",
    POSTGRESQL_URL: "postgres://x@127.0.0.1/x",
    REDIS_URL: "redis://127.0.0.1",
    AGENTS_FROM: "kubernetes",
    SECRETS_DIR: "/nowhere",
  });
  const lifecycle = {
    isReady: () => false,
    hasStarted: () => false,
    obstacleOf: () => null,
    failedForGood: () => null,
    requestStop: () => {},
  };
  const places = { secrets: {}, version: "test", dataDir: "data", agentsPath: "agents.yaml" };
  const log = pino({ level: "silent" });
  return role({ config, ...places, lifecycle, metrics: makeMetrics(), log }).map(({ name }) => name);
}

describe("docs/operations/health-checks.md", () => {
  it("says of every part of every role what its states mean, and of none that there is not", () => {
    const roles = [talkOnDiscord, hearDiscord, answerDiscord, waitForToken];
    const parts = new Set([...roles.flatMap(partsOf), "terminal"]);
    const [, table = ""] = page.split("## Parts");
    const listed = [...table.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, name = ""]) => name);
    expect(new Set(listed)).toEqual(parts);
  });

  it("has every endpoint that the code serves", () => {
    const api = readFileSync(join(root, "src", "http", "api.ts"), "utf8");
    const served = [...api.matchAll(/^ {4}\["(\/[a-z/]+)",/gm)].map(([, path = ""]) => path);
    expect(served).toHaveLength(5);
    for (const path of served) expect(page).toContain(`\n| \`${path}\` |`);
  });
});
