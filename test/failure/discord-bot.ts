import { expect, vi } from "vitest";
import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import type { Home } from "../servers/databases.ts";
import { startWatched, type Watched } from "./process.ts";

/** A guild with one channel and one person, besides the bot. */
export function furnish({ world }: DiscordSimulator) {
  const ann = world.addUser("ann");
  const guild = world.addGuild({ name: "House", ownerId: ann.id });
  world.addMember(guild, world.reception);
  const general = world.addChannel(guild, { name: "general" });
  return { ann, guild, general };
}

/** The real product on Discord, in a process of its own; leases are short so that tests do not wait. */
export function startDiscordBot(
  simulator: Pick<DiscordSimulator, "url">,
  home: Pick<Home, "data" | "env">,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Watched {
  return startWatched(
    home.data,
    {
      DISCORD_TOKEN: "sim-reception-token-0000",
      DISCORD_API_URL: `${simulator.url}/api`,
      DISCORD_LEASE_SECONDS: "2",
      ...home.env,
      ...env,
    },
    flags,
  );
}

export const patience = { timeout: 60_000, interval: 25 };

/** Resolves when the bot says that it is ready. */
export async function ready(bot: Watched): Promise<void> {
  await vi.waitFor(async () => expect((await bot.get("/health/ready")).status).toBe(200), patience);
}

/** What the bot has said in a channel, oldest first. */
export function answersIn({ world }: DiscordSimulator, channel: { readonly id: string }) {
  return world.messages(channel.id).filter((message) => message.byBot);
}
