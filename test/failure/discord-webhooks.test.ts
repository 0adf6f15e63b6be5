import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { inviteLink } from "../../src/discord/invite.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { patience } from "./discord-bot.ts";
import { inHouse, type House } from "./discord-house.ts";

const picture = "https://example.org/teo.png";

/** The usual agents, of which Teo speaks through webhooks. */
async function inHouseWithWebhooks(use: (house: House, flags: readonly string[]) => Promise<void>): Promise<void> {
  const { path, remove } = await temporaryFolder();
  const usual = readFileSync(join(import.meta.dirname, "..", "..", "agents.yaml"), "utf8");
  const changed = usual.replace(/(name: teo\nspec:\n)/, `$1  voice: { webhook: { avatarUrl: "${picture}" } }\n`);
  expect(changed).not.toBe(usual);
  const file = join(path, "agents.yaml");
  writeFileSync(file, changed);
  try {
    await inHouse({}, (house) => use(house, ["--agents", file]));
  } finally {
    await remove();
  }
}

describe.concurrent("an agent that speaks through webhooks", () => {
  const mayMake = ({ world, guild }: House) =>
    world.setMember(guild, world.reception, {
      roles: [world.addRole(guild, { name: "bot", permissions: ["manageWebhooks"] })],
    });
  const askTeo = ({ ask }: House, text: string, over: Parameters<House["ask"]>[1] = {}) =>
    ask(text, { ...over, model: { reply: { agent: "teo", reply: `Re: ${text}` } } });
  /** The answers that link to this message. */
  const linkedTo = ({ world }: House, asked: { readonly id: string; readonly channelId: string }) =>
    world.messages({ id: asked.channelId }).filter(({ content }) => content.includes(`/${asked.id})`));
  const answered = async (house: House, asked: { readonly id: string; readonly channelId: string }) => {
    await vi.waitFor(() => expect(linkedTo(house, asked)).toHaveLength(1), patience);
    return linkedTo(house, asked)[0]!;
  };

  it("has its own name there, in channels and threads, by one webhook each; a reply to it is for it", async () =>
    inHouseWithWebhooks(async (house, flags) => {
      const { world, discord, general, ann, start, gemini } = house;
      mayMake(house);
      const { log } = await start({}, flags);
      const link = log.find(({ msg }) => msg === "invite the bot to a server with this link")?.["invite"];
      expect(link).toBe(inviteLink(new URL(String(link)).searchParams.get("client_id") ?? "", true));
      const first = await answered(house, askTeo(house, "which version?"));
      expect(first).toMatchObject({ authorName: "Teo", replyTo: null, allowedMentions: { parse: [] } });
      expect(first.webhookId).not.toBeNull();
      expect(first.content.split("\n")).toEqual([
        expect.stringMatching(/^-# ↪ \[ann\]\(https:\/\/discord\.com\/channels\/\d+\/\d+\/\d+\)$/),
        "Re: which version?",
      ]);
      const thread = world.addThread(general, { name: "a thread", owner: ann });
      const second = await answered(house, askTeo(house, "and here?", { channel: thread }));
      expect([second.webhookId, second.channelId]).toEqual([first.webhookId, thread.id]);
      gemini.script({ when: "are you sure?</message>", reply: { agent: "teo", reply: "Quite." } });
      const third = world.say({ channel: general, author: ann, text: "are you sure?", replyTo: first });
      expect((await answered(house, third)).content).toContain("Quite.");
      expect(discord.report().restRequests["POST /channels/:channel/webhooks"]).toBe(1);
      expect(world.messages(general).filter(({ webhookId }) => webhookId !== null)).toHaveLength(2);
    }));

  it("has it in private threads too, where the webhook of their channel speaks, made once by two answers at a time", async () =>
    inHouseWithWebhooks(async (house, flags) => {
      const { world, discord, general, ann, start } = house;
      mayMake(house);
      const rooms = ["one", "two"].map((name) =>
        world.addThread(general, { name, owner: ann, private: true, members: [world.reception] }),
      );
      await start({}, flags);
      const asked = rooms.map((room) => askTeo(house, `which version, in ${room.name}?`, { channel: room }));
      const said = await Promise.all(asked.map((one) => answered(house, one)));
      expect(said.map(({ authorName }) => authorName)).toEqual(["Teo", "Teo"]);
      expect(discord.report().restRequests["POST /channels/:channel/webhooks"]).toBe(1);
    }));

  it("leaves no webhook where only others speak", async () =>
    inHouseWithWebhooks(async (house, flags) => {
      const { discord, start, ask, answered: answeredPlainly } = house;
      mayMake(house);
      await start({}, flags);
      await answeredPlainly(ask("who lives here?"), "who lives here?");
      expect(discord.report().restRequests["POST /channels/:channel/webhooks"]).toBeUndefined();
    }));

  it("is spoken for by the reception where the bot may make no webhook, and in direct conversations", async () =>
    inHouseWithWebhooks(async (house, flags) => {
      const { discord, world, ann, start, answered: answeredPlainly } = house;
      await start({}, flags);
      const here = await answeredPlainly(askTeo(house, "which version?"), "which version?");
      expect([here.authorId, here.content]).toEqual([world.reception.id, "**Teo:** Re: which version?"]);
      const direct = world.openDm(ann, world.reception);
      const there = await answeredPlainly(askTeo(house, "and here?", { channel: direct }), "and here?");
      expect([there.authorId, there.content]).toEqual([world.reception.id, "**Teo:** Re: and here?"]);
      const { restRequests, restStatuses } = discord.report();
      expect(Object.keys(restRequests).filter((route) => route.endsWith("/webhooks"))).toEqual([]);
      expect(restStatuses["403"]).toBeUndefined();
      mayMake(house);
      expect((await answered(house, askTeo(house, "and now?"))).webhookId).not.toBeNull();
    }));

  it("answers once when it is killed after Discord has taken the answer and before that is noted", async () =>
    inHouseWithWebhooks(async (house, flags) => {
      const { discord, start, kill } = house;
      mayMake(house);
      await start({}, flags);
      await answered(house, askTeo(house, "are you there?"));
      const webhook = { on: "rest", method: "POST", path: "^/webhooks/\\d+/[^/]+$", times: 1 } as const;
      discord.faults.add({ ...webhook, fault: "act-then-delay", delayMs: 60_000 });
      const asked = askTeo(house, "which version?");
      await answered(house, asked);
      await kill();
      await start({}, flags);
      const next = askTeo(house, "and now?");
      await answered(house, next);
      expect(linkedTo(house, asked)).toHaveLength(1);
    }));

  it("gets another webhook when somebody has removed the one it had", async () =>
    inHouseWithWebhooks(async (house, flags) => {
      const { world, start, answered: answeredPlainly } = house;
      mayMake(house);
      await start({}, flags);
      const first = await answered(house, askTeo(house, "which version?"));
      world.removeWebhook({ id: first.webhookId ?? "" });
      const between = await answeredPlainly(askTeo(house, "still there?"), "still there?");
      expect(between.authorId).toBe(world.reception.id);
      const last = await answered(house, askTeo(house, "and now?"));
      expect(last.webhookId).not.toBe(first.webhookId);
    }));
});
