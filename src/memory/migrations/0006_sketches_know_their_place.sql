-- Where a memory was said and by whom, beside its sketch: who may read it is then asked of the narrow rows that are looked through anyway, and not
-- of as many wide ones of memories, which was the dearest part of recall in a big guild. A memory's place and author never change.
alter table memory_sketches add column channel_id bigint, add column audience text, add column author_id bigint;
update memory_sketches s set channel_id = m.channel_id, audience = m.audience, author_id = m.author_id
  from memories m where m.id = s.memory_id;
alter table memory_sketches alter column channel_id set not null, alter column audience set not null;

create or replace function sketch_vectors() returns trigger language plpgsql as $$
begin
  insert into memory_sketches (memory_id, scope, space, sketch, channel_id, audience, author_id)
    select m.id, m.scope, added.space, binary_quantize(added.embedding), m.channel_id, m.audience, m.author_id
    from added join memories m on m.id = added.memory_id
    on conflict (memory_id, space) do update set sketch = excluded.sketch;
  return null;
end $$;
