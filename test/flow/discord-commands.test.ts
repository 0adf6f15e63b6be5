import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { patience } from "../failure/discord-bot.ts";
import { openCounter } from "./discord-counter.ts";

describe("slash commands and buttons", () => {
  let at: Awaited<ReturnType<typeof openCounter>>;
  beforeAll(async () => {
    at = await openCounter();
  });
  afterAll(() => at.close());

  it.each([
    ["ann", "These agents can answer here:"],
    ["ben", "ここで回答できるエージェントです。"],
  ] as const)("/agents lists who is there, in the language of %s, for their eyes only", async (who, header) => {
    const record = await at.use({ user: at.house[who], command: "agents" });
    expect(record).toMatchObject({ callbackType: 5, ephemeral: true });
    expect(record.reply).toContain(header);
    for (const name of ["Mira", "Teo", "Juno"]) expect(record.reply).toContain(`**${name}**`);
  });

  it.each([
    ["ann", /^Agents: Mira, Teo, Juno\. Model: ready\. Messages waiting: 0\.$/],
    ["ben", /^エージェント：Mira, Teo, Juno、モデル：利用できます、待機中のメッセージ：0件$/],
  ] as const)("/status tells %s how the bot is", async (who, words) => {
    expect((await at.use({ user: at.house[who], command: "status" })).reply).toMatch(words);
  });

  it("/ask is answered where everybody sees it, by the agent that was chosen", async () => {
    at.gemini.script({ reply: { agent: "teo", reply: "Because of the cache." }, on: "generate", times: 1 });
    const record = await at.use({
      user: at.house.ann,
      command: "ask",
      options: { text: "why is it slow?", agent: "Teo" },
    });
    expect(record).toMatchObject({ callbackType: 5, ephemeral: false });
    expect(record.reply).toContain("**Teo:** Because of the cache.");
    await vi.waitFor(() => expect(at.said(record)[0]?.components).toHaveLength(1), patience);
    expect(at.world.messages(at.house.general).filter(({ byBot }) => byBot)).toHaveLength(1);
  });
});
