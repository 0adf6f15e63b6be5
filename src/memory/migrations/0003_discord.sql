-- What a message from Discord brings along, and the time before which nobody takes it up because more of it may follow.
alter table turns
  add column replied_to json,
  add column attachments json,
  -- Of a slash command: answers go through it for 15 minutes.
  add column interaction_token text,
  -- The message that this one was written on from, and is answered together with.
  add column answered_with bigint;
create index turns_replied_to on turns ((replied_to->>'messageId')) where replied_to is not null;
create index turns_replied_to_person on turns ((replied_to->>'authorId')) where replied_to is not null;
create index turns_author on turns (author_id);
create index turns_answered_with on turns (answered_with) where answered_with is not null;

-- One row per shard: who holds its connection, and how far its events are stored.
create table shards (
  shard int primary key,
  shard_count int not null,
  owner text,
  lease_until timestamptz not null default '-infinity',
  -- Grows with every owner; whoever stores under an older one is refused.
  epoch bigint not null default 0,
  session_id text,
  resume_url text,
  -- The highest sequence number of the session up to which every event is stored.
  watermark bigint not null default 0
);

-- Every IDENTIFY of the last day: the throttle and the budget of all processes together.
create table identifies (
  id bigint generated always as identity primary key,
  bucket int not null,
  at timestamptz not null default now()
);
create index identifies_at on identifies (at);

-- The small map of guilds and channels: names, and who may read what.
create table guilds (
  guild_id bigint primary key,
  name text not null,
  owner_id bigint not null,
  locale text,
  -- Role id to permissions, as decimal strings; @everyone has the guild's id.
  roles json not null,
  -- The roles of our own member.
  own_roles bigint[] not null default '{}'
);
create table channels (
  channel_id bigint primary key,
  -- Null: a direct conversation.
  guild_id bigint,
  parent_id bigint,
  kind text not null check (kind in ('channel', 'voice', 'public-thread', 'private-thread', 'direct')),
  name text not null,
  nsfw boolean not null default false,
  overwrites json not null default '[]',
  -- The newest message of it that was stored or deliberately left out; back-fill begins after it.
  heard_until bigint
);
create index channels_guild on channels (guild_id);

-- Which of our messages answer which message; their parts are numbered from 0.
create table spoken (
  message_id bigint not null,
  part int not null,
  spoken_id bigint not null unique,
  channel_id bigint not null,
  -- The user that wrote it: the bot's own, or an agent's.
  voice_id bigint not null,
  agent text not null,
  primary key (message_id, part)
);

-- 1 and -1: what people thought of an answer.
create table feedback (
  message_id bigint not null,
  user_id bigint not null,
  value int not null check (value in (1, -1)),
  at timestamptz not null default now(),
  primary key (message_id, user_id)
);

-- Who wants to be answered without being remembered.
create table opted_out (
  user_id bigint primary key,
  at timestamptz not null default now()
);

-- Channels, or whole guilds (place_id is the guild's then), where moderators have silenced the bot.
create table silences (
  place_id bigint primary key,
  by_id bigint not null,
  at timestamptz not null default now(),
  -- Null: until somebody lifts it.
  until timestamptz
);

-- What Discord was told last about the commands of a bot.
create table registered_commands (
  bot_id bigint primary key,
  hash text not null,
  at timestamptz not null default now()
);
