import type { Channel, User } from "../simulators/discord/world/records.ts";
import type { DiscordSimulator } from "../simulators/discord/simulator.ts";

/** A place where people speak, each message of which is for the bot. */
export interface Conversation {
  readonly channel: Channel;
  readonly people: readonly User[];
}

/** Two guilds with channels and threads, and direct conversations; in each several people, or one. */
export function makeStage({ world }: DiscordSimulator): readonly Conversation[] {
  const people = ["ann", "ben", "cho", "dee"].map((name) => world.addUser(name));
  const [ann, ben] = people as [User, User];
  const conversations: Conversation[] = [];
  for (const name of ["House", "Garden"]) {
    const guild = world.addGuild({ name, ownerId: ann.id, members: people.slice(1) });
    world.addMember(guild, world.reception);
    const channels = ["general", "random"].map((title) => world.addChannel(guild, { name: title }));
    const threads = channels.map((channel) => world.addThread(channel, { name: "a thread", owner: ben }));
    for (const channel of [...channels, ...threads]) conversations.push({ channel, people });
  }
  for (const user of [ann, ben]) conversations.push({ channel: world.openDm(user, world.reception), people: [user] });
  return conversations;
}
