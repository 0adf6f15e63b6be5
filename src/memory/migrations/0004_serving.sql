-- Which version of each agent every process of the fleet serves, for the status of Agents in a cluster. Rewritten every ten seconds.
create table serving (
  pod text primary key,
  -- By the agent's name, a short hash of what is served.
  revisions jsonb not null,
  seen_at timestamptz not null default now()
);
