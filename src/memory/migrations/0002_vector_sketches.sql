-- A bit for the sign of each number of a vector: 100 bytes where the vector has 1,600, so that a big scope is looked through quickly and only
-- the nearest are compared exactly.
create table memory_sketches (
  memory_id bigint not null,
  scope bigint not null,
  space text not null,
  sketch bit varying not null,
  primary key (memory_id, space),
  foreign key (memory_id, space) references memory_vectors on delete cascade
);
create index memory_sketches_scope on memory_sketches (scope, space);

create function sketch_vectors() returns trigger language plpgsql as $$
begin
  insert into memory_sketches (memory_id, scope, space, sketch)
    select memory_id, scope, space, binary_quantize(embedding) from added
    on conflict (memory_id, space) do update set sketch = excluded.sketch;
  return null;
end $$;
create trigger vectors_added after insert on memory_vectors
  referencing new table as added for each statement execute function sketch_vectors();
create trigger vectors_changed after update on memory_vectors
  referencing new table as added for each statement execute function sketch_vectors();

insert into memory_sketches (memory_id, scope, space, sketch)
  select memory_id, scope, space, binary_quantize(embedding) from memory_vectors;
