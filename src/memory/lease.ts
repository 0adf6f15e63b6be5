import { randomUUID } from "node:crypto";
import type { Sql } from "../connections/postgres.ts";

/** Work that any process may do, and one at a time does. */
export interface Lease {
  /** Runs `work` and resolves to what that resolves to; at once to null while another process is at it. */
  run<T>(work: () => Promise<T>): Promise<T | null>;
}

const holdSeconds = 60;
const renewEveryMs = 20_000;

/** Builds it; who dies in the middle of the work is waited for a minute. */
export function makeLease(sql: Sql, name: string): Lease {
  const owner = randomUUID();
  const hold = async (): Promise<boolean> => {
    const rows = await sql.query(
      `insert into leases (name, owner, held_until) values ($1, $2, now() + make_interval(secs => $3))
       on conflict (name) do update set owner = excluded.owner, held_until = excluded.held_until
       where leases.owner = excluded.owner or leases.held_until < now() returning 1`,
      [name, owner, holdSeconds],
    );
    return rows.length > 0;
  };
  const release = () => sql.query("delete from leases where (name, owner) = ($1, $2::uuid)", [name, owner]);
  return {
    run: async (work) => {
      if (!(await hold())) return null;
      // A renewal that fails is made up for by the next one; at worst the work is done twice.
      const renewing = setInterval(() => void hold().catch(() => {}), renewEveryMs).unref();
      try {
        return await work();
      } finally {
        clearInterval(renewing);
        await release().catch(() => {});
      }
    },
  };
}
