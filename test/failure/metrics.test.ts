import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { startWatched, type Watched } from "./process.ts";

describe("what operators see of a conversation and of a fault", () => {
  let simulator: Awaited<ReturnType<typeof startGeminiSimulator>>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let bot: Watched;
  beforeAll(async () => {
    simulator = await startGeminiSimulator();
    folder = await temporaryFolder();
    bot = startWatched(folder.path, {
      GEMINI_API_KEY: "x",
      GEMINI_BASE_URL: simulator.url,
      GEMINI_REQUESTS_PER_MINUTE: "100000",
    });
    bot.say("My cat is called Miso.", "What is my cat called?");
    await vi.waitFor(() => expect(bot.answers).toHaveLength(2), { timeout: 60_000, interval: 20 });
  });
  afterAll(async () => {
    bot.kill("SIGKILL");
    await bot.exited;
    await simulator.stop();
    await folder.remove();
  });

  it.each([
    ["discord_agent_memory_operations_total", { operation_type: "hot_read", status: "success" }],
    ["discord_agent_memory_operations_total", { operation_type: "cold_recall", status: "success" }],
    ["discord_agent_memory_operations_total", { operation_type: "store", status: "success" }],
    ["discord_agent_memory_operation_duration_seconds_count", { operation_type: "cold_recall" }],
    ["discord_agent_messages_total", { message_type: "answered", agent: "mira" }],
    ["discord_agent_response_time_seconds_count", { agent: "mira" }],
    ["discord_agent_gemini_api_calls_total", { operation: "generate", status: "success" }],
    ["discord_agent_gemini_api_duration_seconds_count", { operation: "generate" }],
    ["discord_agent_active_connections", { connection_type: "postgres" }],
    ["discord_agent_tokens_total", { direction: "input" }],
    ["discord_agent_component_up", { component: "postgres" }],
    ["discord_agent_process_memory_bytes", { kind: "rss" }],
  ])("%s %o counts", async (name, labels) => {
    expect((await bot.metrics()).value(name, labels)).toBeGreaterThan(0);
  });

  it("the breaker opens after three failures, in /status and in the metrics; the message waits, and its age grows", async () => {
    expect((await bot.status()).circuit_breakers).toMatchObject({
      gemini_api: { state: "closed" },
      memory_operations: { state: "closed" },
    });
    simulator.script({ fault: "503", on: "generate", times: null });
    bot.say("And now?");
    const opened = async () => (await bot.status()).circuit_breakers["gemini_api"];
    await vi.waitFor(async () => expect(await opened()).toMatchObject({ state: "open", failure_count: 3 }), {
      timeout: 30_000,
      interval: 50,
    });
    const metrics = await bot.metrics();
    expect(metrics.value("discord_agent_circuit_breaker_state", { breaker: "gemini_api" })).toBe(2);
    expect(metrics.value("discord_agent_inbox_waiting_messages")).toBe(1);
    expect(metrics.value("discord_agent_inbox_oldest_waiting_seconds")).toBeGreaterThan(0);
    expect(metrics.value("discord_agent_system_errors_total", { component: "model" })).toBeGreaterThan(0);
    expect(metrics.value("discord_agent_messages_total", { message_type: "deferred" })).toBe(1);
    expect(
      metrics.value("discord_agent_gemini_api_calls_total", { operation: "generate", status: "model_unavailable" }),
    ).toBe(3);
    expect(
      metrics.value("discord_agent_system_errors_total", { error_type: "model_unavailable", component: "model" }),
    ).toBe(3);
    expect((await bot.status()).inbox.waiting).toBe(1);
    const age = metrics.value("discord_agent_inbox_oldest_waiting_seconds") ?? 0;
    await vi.waitFor(async () => expect((await bot.status()).inbox.oldestWaitingSeconds).toBeGreaterThan(age + 0.2));
  }, 60_000);
});
