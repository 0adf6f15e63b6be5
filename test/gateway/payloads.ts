/** Events as Discord sends them, with `canary` wherever people write. */
export function samples(canary: string): readonly { readonly t: string; readonly d: Record<string, unknown> }[] {
  const user = { id: "123456789012345678", username: canary, global_name: null, bot: false };
  const member = { user, nick: null, roles: ["223456789012345678"] };
  const channel = {
    id: "323456789012345678",
    type: 0,
    guild_id: "423456789012345678",
    name: "general",
    parent_id: null,
    nsfw: false,
    permission_overwrites: [{ id: "423456789012345678", type: 0, allow: "1024", deny: "0" }],
    last_message_id: "523456789012345678",
  };
  const role = { id: "223456789012345678", permissions: "2147483647", name: canary };
  const guild = { id: "423456789012345678", name: canary, owner_id: user.id, preferred_locale: "en-US", roles: [role] };
  const message = {
    id: "623456789012345678",
    type: 0,
    channel_id: channel.id,
    guild_id: guild.id,
    author: user,
    member,
    content: `<@77> ${canary}`,
    timestamp: "2026-11-23T00:00:00.000000+00:00",
    edited_timestamp: null,
    mentions: [user],
    mention_roles: [role.id],
    attachments: [{ filename: canary, url: "https://cdn.example/x", size: 12, content_type: "text/plain" }],
    sticker_items: [{ name: canary }],
    embeds: [{ title: canary, description: canary }],
    message_snapshots: [{ message: { content: canary, embeds: [{ title: canary }] } }],
    poll: { question: { text: canary }, answers: [{ poll_media: { text: canary } }] },
    message_reference: { message_id: "723456789012345678" },
    referenced_message: { id: "723456789012345678", author: user, content: canary },
  };
  const inGuild = { guild_id: guild.id };
  return [
    { t: "MESSAGE_CREATE", d: message },
    { t: "MESSAGE_UPDATE", d: { ...message, edited_timestamp: message.timestamp } },
    { t: "MESSAGE_UPDATE", d: { ...message, embeds: [{ title: canary }, { title: canary }] } },
    { t: "MESSAGE_CREATE", d: { ...message, id: "623456789012345679", guild_id: undefined } },
    { t: "MESSAGE_DELETE", d: { id: message.id, channel_id: channel.id, guild_id: guild.id } },
    { t: "MESSAGE_DELETE_BULK", d: { ids: [message.id], channel_id: channel.id } },
    {
      t: "GUILD_CREATE",
      d: {
        ...guild,
        channels: [channel],
        threads: [{ ...channel, id: "8", type: 11, parent_id: channel.id }],
        members: [member],
      },
    },
    { t: "GUILD_UPDATE", d: guild },
    { t: "GUILD_DELETE", d: { id: guild.id, unavailable: true } },
    { t: "CHANNEL_CREATE", d: channel },
    { t: "CHANNEL_UPDATE", d: channel },
    { t: "CHANNEL_DELETE", d: channel },
    { t: "THREAD_CREATE", d: { ...channel, id: "8", type: 12, parent_id: channel.id } },
    { t: "GUILD_ROLE_UPDATE", d: { ...inGuild, role } },
    { t: "GUILD_ROLE_DELETE", d: { ...inGuild, role_id: role.id } },
    { t: "GUILD_MEMBER_UPDATE", d: { ...inGuild, user, roles: [role.id] } },
    { t: "MESSAGE_REACTION_ADD", d: { message_id: message.id, user_id: user.id, emoji: { name: "👍" } } },
    { t: "MESSAGE_REACTION_REMOVE", d: { message_id: message.id, user_id: user.id, emoji: { name: "👎" } } },
    {
      t: "INTERACTION_CREATE",
      d: { id: "9", application_id: "10", type: 2, token: canary, data: { name: "ask" }, user },
    },
    { t: "A_NEW_EVENT", d: { anything: canary } },
  ];
}

const strange: readonly unknown[] = [
  null,
  undefined,
  true,
  -1,
  1e308,
  "",
  " ",
  "\u0000",
  "a\u0000b\uD800",
  "0",
  "99999999999999999999",
  "18446744073709551616",
  "x".repeat(100_000),
  [],
  {},
  [null],
  "__proto__",
  "'; drop table turns; --",
  "𝕏".repeat(50),
];

/** A copy with one to three things about it changed: a field gone, of another type, strange, or doubled. */
export function mutated(value: unknown, random: () => number): unknown {
  const copy = structuredClone(value);
  const times = Math.floor(random() * 4);
  for (let i = 0; i < times; i += 1) mutateOnce(copy, random);
  return copy;
}

function mutateOnce(root: unknown, random: () => number): void {
  let at = root;
  for (let depth = 0; depth < 6; depth += 1) {
    if (typeof at !== "object" || at === null) return;
    const holder = at as Record<string, unknown>;
    const keys = Object.keys(holder);
    const key = keys[Math.floor(random() * keys.length)];
    if (key === undefined) return;
    const inner = holder[key];
    if (typeof inner === "object" && inner !== null && random() < 0.7) {
      at = inner;
      continue;
    }
    if (random() < 0.2) delete holder[key];
    else holder[key] = strange[Math.floor(random() * strange.length)];
    return;
  }
}
