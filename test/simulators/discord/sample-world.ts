import type { World } from "./world/world.ts";

/** A guild with three people, a private channel, a thread and a forum, and a bot for each voice. */
export function fillSampleWorld(world: World): void {
  const [ann, ben, cho] = [
    world.addUser("ann", { globalName: "Ann" }),
    world.addUser("ben", { globalName: "Ben", locale: "de" }),
    world.addUser("cho", { globalName: "Cho" }),
  ] as const;
  const voices = ["technical", "creative", "mira", "teo", "juno"].map((name) => {
    const voice = world.addBot({ name, token: `sim-voice-${name}` });
    // The bot's configuration wants tokens of at least 20 characters.
    voice.tokens.push(`sim-voice-${name}-0000`);
    return voice;
  });
  const guild = world.addGuild({ name: "Sim", ownerId: ann.id, members: [ben, cho, world.reception, ...voices] });
  const mods = world.addRole(guild, { name: "mods", mentionable: true });
  world.setMember(guild, cho, { roles: [mods] });
  const general = world.addChannel(guild, { name: "general", topic: "Everything" });
  world.addChannel(guild, { name: "random" });
  world.addChannel(guild, {
    name: "mods",
    overwrites: [
      { of: guild, deny: ["viewChannel"] },
      { of: mods, allow: ["viewChannel"] },
    ],
  });
  world.addChannel(guild, { name: "questions", type: "forum" });
  world.addThread(general, { name: "a thread", owner: ben });
  for (const user of [ann, ben, cho]) world.openDm(user, world.reception);
}
