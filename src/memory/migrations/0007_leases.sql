-- What one process does for all, such as embedding: who does it, and until when nobody else may.
create table leases (
  name text primary key,
  owner uuid not null,
  held_until timestamptz not null
);
