-- Needs pgvector 0.7 or newer and nothing else.
create extension if not exists vector;

-- One row per message that concerns us; the primary key is the deduplication.
create table turns (
  message_id bigint primary key,
  guild_id bigint,
  guild_name text,
  channel_id bigint not null,
  channel_name text not null,
  conversation_id bigint not null,
  scope bigint generated always as (coalesce(guild_id, conversation_id)) stored,
  audience text not null check (audience in ('public', 'private', 'direct')),
  author_id bigint not null,
  author_name text not null,
  author_kind text not null check (author_kind in ('person', 'bot', 'self')),
  text text not null,
  locale text,
  addressed boolean not null,
  addressed_agent text,
  received_at timestamptz not null,
  priority text not null check (priority in ('mention', 'reply', 'ambient', 'background')),
  state text not null default 'waiting'
    check (state in ('waiting', 'answering', 'drafted', 'answered', 'ignored', 'buried')),
  -- How often it was taken up, and how often that ended in a fault (a wait for quota and a restart are none).
  attempts int not null default 0,
  faults int not null default 0,
  not_before timestamptz,
  -- The finished answer, stored before it is spoken; spoken as it is after a crash.
  draft text,
  -- Set just before the draft goes out: a draft with this set may have been shown already.
  speaking_at timestamptz,
  agent text,
  model text,
  prompt_revision text,
  -- json and not jsonb: the stages of a receipt keep their order.
  receipt json,
  error text,
  error_reference text,
  finished_at timestamptz
);
create index turns_conversation on turns (conversation_id, message_id desc);
create index turns_open on turns (received_at) where state in ('waiting', 'answering', 'drafted');
create index turns_finished on turns (finished_at) where state = 'answered';
create index turns_buried on turns (finished_at) where state = 'buried';

-- What recall searches, each with its source.
create table memories (
  id bigint generated always as identity primary key,
  guild_id bigint,
  channel_id bigint not null,
  channel_name text not null,
  conversation_id bigint not null,
  scope bigint generated always as (coalesce(guild_id, conversation_id)) stored,
  audience text not null,
  -- Null for an agent's words.
  author_id bigint,
  author_name text not null,
  agent text,
  source_message_id bigint not null,
  kind text not null check (kind in ('message', 'reply', 'fact', 'summary')),
  text text not null,
  created_at timestamptz not null,
  importance real not null default 0.5 check (importance between 0 and 1),
  -- Place in its conversation; neighbours are one apart.
  position int not null,
  -- BM25 weights of hashed lexemes, and the lexemes they came from (for keeping term_counts right).
  terms sparsevec(65536) not null,
  term_ids int[] not null,
  length int not null,
  -- The vector space this memory has been embedded in; null until the background has come by.
  embedded_in text,
  unique (source_message_id, kind)
);
create index memories_place on memories (conversation_id, position);
create index memories_scope on memories (scope, author_id);
create index memories_embedded_in on memories (embedded_in, id);
create index memories_created on memories (created_at);

-- Narrow, because an exact scan reads every row of a scope and a row over 2 KB would be stored out of line.
create table memory_vectors (
  memory_id bigint not null references memories on delete cascade,
  scope bigint not null,
  space text not null,
  embedding halfvec not null,
  primary key (memory_id, space)
);
create index memory_vectors_scope on memory_vectors (scope, space);

-- What BM25 needs to know of a scope: in how many memories a lexeme stands, and their number and length.
create table term_counts (
  scope bigint not null,
  term int not null,
  memories int not null,
  primary key (scope, term)
);
create table scope_sizes (
  scope bigint primary key,
  memories bigint not null,
  lexemes bigint not null
);

-- The lexemes of a text, hashed into 1 … 65536 by the first two bytes of their SHA-256: the same on every Postgres.
create function lexemes_of(config regconfig, words text)
returns table (term int, occurrences int)
language sql immutable strict parallel safe as $$
  select (get_byte(hash, 0) * 256 + get_byte(hash, 1)) + 1, sum(n)::int
  from (
    select sha256(convert_to(lexeme, 'UTF8')) as hash, coalesce(cardinality(positions), 1) as n
    from unnest(to_tsvector(config, words))
  ) hashed
  group by 1
$$;

-- Document weights of BM25 (k1 0.9, b 0.4) as a sparse vector. The average length is the scope's own, held near 12 lexemes
-- while there are few memories to average.
create function bm25_document(config regconfig, words text, in_scope bigint)
returns table (terms sparsevec, term_ids int[], length int)
language sql stable as $$
  with lexemes as (select * from lexemes_of(config, words)),
  size as (
    select (coalesce(max(s.lexemes), 0) + 12.0 * 20) / (coalesce(max(s.memories), 0) + 20) as average
    from scope_sizes s where s.scope = in_scope
  ),
  total as (select coalesce(sum(occurrences), 0)::int as length from lexemes)
  select
    (coalesce((
      select '{' || string_agg(term || ':' ||
        round((occurrences * 1.9 / (occurrences + 0.9 * (0.6 + 0.4 * total.length / size.average)))::numeric, 5), ',' order by term) || '}'
      from lexemes), '{}') || '/65536')::sparsevec(65536),
    coalesce((select array_agg(term order by term) from lexemes), '{}'),
    total.length
  from total, size
$$;

-- Query weights of BM25: the inverse document frequency of each lexeme inside the scope.
create function bm25_query(config regconfig, words text, in_scope bigint)
returns sparsevec
language sql stable as $$
  with size as (select coalesce(max(memories), 0) as memories from scope_sizes where scope = in_scope)
  select (coalesce('{' || string_agg(l.term || ':' ||
      round(ln(1 + (greatest(size.memories, coalesce(c.memories, 0)) - coalesce(c.memories, 0) + 0.5) / (coalesce(c.memories, 0) + 0.5))::numeric, 5),
      ',' order by l.term) || '}', '{}') || '/65536')::sparsevec(65536)
  from lexemes_of(config, words) l
  left join term_counts c on c.scope = in_scope and c.term = l.term, size
$$;

-- Counts are kept by the statement that changes memories, in the order of the terms, so that two never wait for each other in a circle.
create function count_added_memories() returns trigger language plpgsql as $$
begin
  insert into scope_sizes as s (scope, memories, lexemes)
    select scope, count(*), sum(length) from added group by scope order by scope
    on conflict (scope) do update set memories = s.memories + excluded.memories, lexemes = s.lexemes + excluded.lexemes;
  insert into term_counts as t (scope, term, memories)
    select scope, term, count(*) from added, unnest(term_ids) as term group by scope, term order by scope, term
    on conflict (scope, term) do update set memories = t.memories + excluded.memories;
  return null;
end $$;
create trigger memories_added after insert on memories
  referencing new table as added for each statement execute function count_added_memories();

create function count_removed_memories() returns trigger language plpgsql as $$
begin
  perform 1 from scope_sizes where scope in (select scope from removed) order by scope for update;
  perform 1 from term_counts where (scope, term) in (select scope, unnest(term_ids) from removed) order by scope, term for update;
  update scope_sizes s set memories = s.memories - r.n, lexemes = s.lexemes - r.lexemes
    from (select scope, count(*) as n, sum(length) as lexemes from removed group by scope) r where r.scope = s.scope;
  update term_counts t set memories = t.memories - r.n
    from (select scope, term, count(*)::int as n from removed, unnest(term_ids) as term group by scope, term) r
    where r.scope = t.scope and r.term = t.term;
  delete from term_counts t using (select distinct scope, unnest(term_ids) as term from removed) r
    where r.scope = t.scope and r.term = t.term and t.memories <= 0;
  return null;
end $$;
create trigger memories_removed after delete on memories
  referencing old table as removed for each statement execute function count_removed_memories();
