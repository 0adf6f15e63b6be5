import { parseEnv } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readConfig, showConfig } from "../../src/config.ts";
import { renderConfigReference, renderEnvironmentFile, variables } from "../../src/config-variables.ts";
import { Misconfigured, type Fault } from "../../src/errors.ts";

function faultsOf(env: Record<string, string>): readonly Fault[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof Misconfigured) return error.faults;
    throw error;
  }
}

describe("the environment", () => {
  it("may be empty: every default is a good one", () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      environment: "development",
      logLevel: "info",
      healthPort: 8000,
      discord: { token: null, guildId: null },
      gemini: { apiKey: null, model: "gemini-3.5-flash-lite", requestsPerMinute: 15, tokensPerMinute: null },
      postgresql: { url: null, poolMin: 1, poolMax: 10 },
      targets: { hotMemoryMs: 100, coldMemoryMs: 3000, embeddingMs: 2000, errorRate: 0.05 },
      breaker: { failureThreshold: 5, recoveryMs: 60_000 },
      turnDeadlineMs: 90_000,
      drainDeadlineMs: 100_000,
      lanes: 8,
    });
  });

  it("is reported with all its faults at once, each with variable, problem and remedy", () => {
    const faults = faultsOf({ HEALTH_CHECK_PORT: "abc", LOG_LEVEL: "loud", POSTGRES_POOL_MAX_SIZE: "-1" });
    expect(faults.map((fault) => fault.where).sort()).toEqual([
      "HEALTH_CHECK_PORT",
      "LOG_LEVEL",
      "POSTGRES_POOL_MAX_SIZE",
    ]);
    expect(faults.find((fault) => fault.where === "LOG_LEVEL")).toEqual({
      where: "LOG_LEVEL",
      problem: '"loud" is not one of trace, debug, info, warn, error, fatal, silent',
      remedy: "Set one of trace, debug, info, warn, error, fatal, silent, or unset it for info",
    });
  });

  it.each([
    ["ENVIRONMENT", "prod"],
    ["HEALTH_CHECK_PORT", "65536"],
    ["HEALTH_CHECK_PORT", "80.5"],
    ["DISCORD_TOKEN", "Bot aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    ["DISCORD_RECEPTION_TOKEN", "two words"],
    ["TARGET_GUILD_ID", "my-guild"],
    ["GEMINI_BASE_URL", "http://example.org"],
    ["GEMINI_BASE_URL", "https://user:pass@example.org"],
    ["GEMINI_BASE_URL", "http://127.0.0.1.example.org"],
    ["GEMINI_BASE_URL", "nonsense"],
    ["POSTGRESQL_URL", "mysql://localhost/db"],
    ["DATABASE_URL", "not a url"],
    ["REDIS_URL", "localhost:6379"],
    ["ERROR_RATE_THRESHOLD", "1.5"],
    ["ERROR_RATE_THRESHOLD", "5%"],
    ["COLD_MEMORY_THRESHOLD", "Infinity"],
    ["LANES", "0"],
    ["GEMINI_REQUESTS_PER_MINUTE", "1e3"],
    ["MEMORY_RETENTION_DAYS", "0"],
  ])("refuses %s=%s under the name that was used", (name, value) => {
    expect(faultsOf({ [name]: value }).map((fault) => fault.where)).toEqual([name]);
  });

  it("refuses a pool whose least is more than its most", () => {
    const faults = faultsOf({ POSTGRES_POOL_MIN_SIZE: "5", POSTGRES_POOL_MAX_SIZE: "4" });
    expect(faults).toHaveLength(1);
    expect(faults[0]?.problem).toBe("4 is less than POSTGRES_POOL_MIN_SIZE, which is 5");
  });

  it("knows the predecessor's names, and its own come first", () => {
    const [mine, theirs] = ["m".repeat(30), "t".repeat(30)];
    expect(readConfig({ DISCORD_RECEPTION_TOKEN: theirs }).discord.token).toBe(theirs);
    expect(readConfig({ DISCORD_RECEPTION_TOKEN: theirs, DISCORD_TOKEN: mine }).discord.token).toBe(mine);
    expect(readConfig({ DATABASE_URL: "postgres://db/x" }).postgresql.url).toBe("postgres://db/x");
  });

  it("takes empty and blank values for unset, and drops the newline a mounted secret ends with", () => {
    const config = readConfig({ HEALTH_CHECK_PORT: "", LOG_LEVEL: "  ", GEMINI_API_KEY: "key\n" });
    expect(config).toMatchObject({ healthPort: 8000, logLevel: "info", gemini: { apiKey: "key" } });
  });

  it("allows plain http on this machine, for simulators", () => {
    for (const url of ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"]) {
      expect(readConfig({ GEMINI_BASE_URL: `${url}/` }).gemini.baseUrl).toBe(url);
    }
  });

  it("never shows a value that may be a credential, in a fault or in /status", () => {
    const canary = "canary-9f3a and more";
    const secrets = variables
      .filter(({ name }) => /TOKEN$|KEY$|URL$/.test(name))
      .flatMap(({ name, alias }) => [name, alias ?? name]);
    for (const name of secrets) {
      const faults = faultsOf({ [name]: canary });
      expect(faults).toHaveLength(1);
      expect(JSON.stringify(faults)).not.toContain("canary");
    }
    expect(JSON.stringify(faultsOf({ LOG_LEVEL: "AIzaSyCanaryCanaryCanaryCanary" }))).not.toContain("Canary");
    const shown = JSON.stringify(
      showConfig(
        readConfig({
          DISCORD_TOKEN: "canary-9f3a-canary-9f3a",
          GEMINI_API_KEY: "canary-9f3a",
          POSTGRESQL_URL: "postgres://me:canary-9f3a@db/x",
          REDIS_URL: "redis://:canary-9f3a@cache",
        }),
      ),
    );
    expect(shown).not.toContain("canary");
    expect(shown).toContain('"apiKey":"set"');
  });

  it("names the one of two sizes that was set", () => {
    expect(faultsOf({ POSTGRES_POOL_MIN_SIZE: "11" })).toMatchObject([{ where: "POSTGRES_POOL_MIN_SIZE" }]);
    expect(faultsOf({ POSTGRES_POOL_MAX_SIZE: "2", POSTGRES_POOL_MIN_SIZE: "3" })).toMatchObject([
      { where: "POSTGRES_POOL_MAX_SIZE" },
    ]);
  });

  it("either becomes a Config or is refused with faults, whatever it holds", () => {
    const name = fc.constantFrom(...variables.map((variable) => variable.name));
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.oneof(fc.string({ unit: "binary" }), fc.integer().map(String), fc.webUrl())),
        (env) => {
          for (const fault of faultsOf(env)) expect(fault.where in env).toBe(true);
        },
      ),
    );
  });
});

it("names every placeholder that was left, and no value", () => {
  const url = "postgres://me:REPLACE_ME@db/x";
  const faults = faultsOf({ DISCORD_TOKEN_TEO: "REPLACE_ME", GEMINI_API_KEY: "REPLACE_ME", DATABASE_URL: url });
  expect(faults.map(({ where }) => where).toSorted()).toEqual(["DATABASE_URL", "DISCORD_TOKEN_TEO", "GEMINI_API_KEY"]);
  expect(JSON.stringify(faults)).not.toContain("me:");
});

describe(".env.production", () => {
  it("says exactly what the code reads", async () => {
    await expect(renderEnvironmentFile()).toMatchFileSnapshot("../../.env.production");
  });

  it("is refused as it is, for its placeholders and for nothing else", () => {
    const faults = faultsOf(parseEnv(renderEnvironmentFile()) as Record<string, string>);
    expect(faults.map(({ where }) => where).toSorted()).toEqual(["DISCORD_TOKEN", "GEMINI_API_KEY", "POSTGRESQL_URL"]);
    for (const { problem } of faults) expect(problem).toContain("REPLACE_ME");
  });

  it("names every variable once, with its default", () => {
    const commented = renderEnvironmentFile().replaceAll(/^# ([A-Z_]+=)/gm, "$1");
    const given = parseEnv(commented);
    // The last one is read by compose.yaml.
    expect(new Set(Object.keys(given))).toEqual(new Set([...variables.map(({ name }) => name), "POSTGRES_PASSWORD"]));
    const withDefault = variables.filter((one) => one.default !== null && one.name !== "ENVIRONMENT");
    expect(withDefault.map(({ name }) => given[name])).toEqual(withDefault.map((one) => one.default));
  });
});

it("docs/configuration.md says exactly what the code reads", async () => {
  await expect(renderConfigReference()).toMatchFileSnapshot("../../docs/configuration.md");
});
