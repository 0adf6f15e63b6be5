import { describe, expect, it, vi } from "vitest";
import { inviteLink } from "../../src/discord/invite.ts";
import { permissions, type Permission } from "../simulators/discord/world/permissions.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { inHouse } from "./discord-house.ts";

const needed = ["viewChannel", "sendMessages", "attachFiles", "readMessageHistory", "sendMessagesInThreads"] as const;

/** What a link asks for, by name; fails on a bit without one. */
function asked(link: string): readonly Permission[] {
  const bits = BigInt(new URL(link).searchParams.get("permissions") ?? 0);
  const names = Object.entries(permissions).filter(([, bit]) => (bits & bit) !== 0n);
  expect(names.reduce((sum, [, bit]) => sum | bit, 0n)).toBe(bits);
  return names.map(([name]) => name as Permission);
}

describe("the link that invites the bot", () => {
  it("asks for what it uses, and for Manage Webhooks where an agent speaks through them", () => {
    expect(asked(inviteLink("1", false))).toEqual(needed);
    expect(new Set(asked(inviteLink("1", true)))).toEqual(new Set([...needed, "manageWebhooks"]));
  });

  it("stands in the log, and with what it asks for the bot answers in channels and threads, with a file too", async () =>
    inHouse({}, async (house) => {
      const { discord, world, guild, general, ann, start, ask, answered } = house;
      world.setRole(guild, guild, { permissions: [] });
      const bot = await start();
      const link = bot.log.find(({ msg }) => msg === "invite the bot to a server with this link")?.["invite"];
      const role = world.addRole(guild, { name: "bot", permissions: asked(String(link)) });
      world.setMember(guild, world.reception, { roles: [role] });
      await answered(ask("who are you?"), "who are you?");
      const thread = world.addThread(general, { name: "plans", owner: ann });
      await answered(ask("and here?", { channel: thread }), "and here?");
      const reply = Array.from({ length: 300 }, (_, n) => `Sentence ${n} of a long story about a cat.`).join(" ");
      ask("tell a story", { model: { reply: { agent: "mira", reply } } });
      await vi.waitFor(() => expect(answersIn(discord, general).at(-1)?.attachments).toHaveLength(1), patience);
      expect(discord.report().restStatuses["403"]).toBeUndefined();
    }));
});
