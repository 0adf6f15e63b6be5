import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { makeTuning } from "../../src/tuning.ts";

const open = (env: Record<string, string> = {}) => {
  const log = pino({ level: "info" }, { write: () => {} });
  return { log, tuning: makeTuning(readConfig(env), log) };
};

describe("what may change while the process runs", () => {
  it("is what the process was started with, until a ConfigMap says otherwise, and again when it no longer does", () => {
    const { log, tuning } = open({ GEMINI_REQUESTS_PER_MINUTE: "30", MEMORY_RETENTION_DAYS: "90" });
    expect([tuning.limits().requestsPerMinute, tuning.retentionDays(), log.level]).toEqual([30, 90, "info"]);
    expect(
      tuning.take({
        GEMINI_REQUESTS_PER_MINUTE: "60",
        GEMINI_TOKENS_PER_MINUTE: "1000",
        MEMORY_RETENTION_DAYS: "7",
        LOG_LEVEL: "debug",
      }),
    ).toEqual([]);
    expect(tuning.limits()).toMatchObject({ requestsPerMinute: 60, tokensPerMinute: 1000, requestsPerDay: null });
    expect([tuning.retentionDays(), log.level]).toEqual([7, "debug"]);
    expect(tuning.config()).toMatchObject({ logLevel: "debug", gemini: tuning.limits(), memory: { retentionDays: 7 } });
    tuning.take(null);
    expect([tuning.limits().requestsPerMinute, tuning.retentionDays(), log.level]).toEqual([30, 90, "info"]);
  });

  it("stays as it is when anything in the ConfigMap is wrong, and every fault is named", () => {
    const { log, tuning } = open();
    const faults = tuning.take({
      LOG_LEVEL: "loud",
      GEMINI_REQUESTS_PER_MINUTE: "60",
      LANES: "3",
      DISCORD_TOKEN: "x y",
    });
    expect(faults.map(({ where }) => where).sort()).toEqual(["DISCORD_TOKEN", "LANES", "LOG_LEVEL"]);
    expect([tuning.limits().requestsPerMinute, log.level]).toEqual([15, "info"]);
    expect(faults.find(({ where }) => where === "LANES")?.remedy).toMatch(/environment of the pods/);
  });

  it("tells of a change, and not of what is said again or is wrong", () => {
    const { tuning } = open();
    let told = 0;
    tuning.onChange(() => (told += 1));
    for (const level of ["debug", "debug", "loud", "warn"]) tuning.take({ LOG_LEVEL: level });
    expect([told, tuning.config().logLevel]).toEqual([2, "warn"]);
  });
});
