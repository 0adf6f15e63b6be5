import type { Channel } from "../world/records.ts";
import type { World } from "../world/world.ts";

const typingMs = 10_000;

/** What this user sees on the page: the channels, one of them with its messages, who types, and the commands. */
export function viewOf(world: World, userId: string, channelId: string | null): object {
  const { users, bots, channels } = world.everything();
  const mine = channels.filter(({ id, type }) => type !== 4 && type !== 15 && sees(world, id, userId));
  const open = mine.find(({ id }) => id === channelId) ?? mine[0];
  const names = Object.fromEntries([...users, ...bots].map(({ id, name, globalName }) => [id, globalName ?? name]));
  return {
    users: users.map(({ id, name }) => ({ id, name })),
    bots: bots.map(({ id, name }) => ({ id, name })),
    names,
    channels: mine.map((channel) => ({ id: channel.id, title: titleOf(channel, userId, names) })),
    channel: open?.id ?? null,
    commands: bots.flatMap((bot) =>
      [...bot.commands].flatMap(([, commands]) => commands.map((command) => ({ ...command, bot: bot.id }))),
    ),
    ...(open === undefined ? {} : inside(world, open, userId, names)),
  };
}

function inside(world: World, channel: Channel, userId: string, names: Readonly<Record<string, string>>): object {
  const interactions = world.interactions(channel).filter((one) => one.userId === userId);
  const whispered = interactions.flatMap(({ messages }) =>
    messages.filter(({ ephemeral, deletedAt }) => ephemeral && deletedAt === null),
  );
  const messages = [...world.messages(channel), ...whispered].sort((one, other) => one.createdAt - other.createdAt);
  const now = Date.now();
  const typing = world
    .typing(channel)
    .filter(
      ({ at, userId: who }) => at > now - typingMs && !messages.some((m) => m.authorId === who && m.createdAt > at),
    );
  const failed = interactions.filter(
    ({ respondedAfterMs, createdAt }) =>
      respondedAfterMs === null && createdAt < now - 3_000 && createdAt > now - 60_000,
  );
  const form = interactions.findLast(({ callbackType }) => callbackType === 9);
  return {
    messages: messages.slice(-100),
    typing: [...new Set(typing.map((one) => names[one.userId]))],
    failed: failed.length,
    form: form === undefined ? null : { id: form.id, botId: form.botId, ...form.callbackData },
  };
}

function sees(world: World, channelId: string, userId: string): boolean {
  return world.permissionsIn(channelId, userId).includes("viewChannel");
}

function titleOf(channel: Channel, userId: string, names: Readonly<Record<string, string>>): string {
  if (channel.guildId !== null) return `${channel.thread === null ? "#" : "↳ "}${channel.name}`;
  return `@${names[channel.recipients.find((id) => id !== userId) ?? ""]}`;
}
