import type { Database, Sql } from "../connections/postgres.ts";
import { ForeseenError } from "../errors.ts";

/** One shard that this process holds, and where its events go on. */
export interface Lease {
  readonly shard: number;
  readonly shardCount: number;
  /** Which ownership this is; see `advance`. */
  readonly epoch: string;
  /** Null: there is no session to resume. */
  readonly session: { readonly id: string; readonly resumeUrl: string; readonly watermark: number } | null;
}

/** How far the events of a session are stored. */
export interface Progress {
  readonly sessionId: string;
  readonly resumeUrl: string;
  readonly watermark: number;
}

/** Another process has taken the shard over: whatever this one still holds of it is void. */
export class Fenced extends ForeseenError {
  override readonly name = "Fenced";

  constructor(shard: number) {
    super("shard_taken_over", `shard ${shard} was taken over by another process`, { kind: "bury" });
  }
}

/** Who holds which shard, decided in Postgres by its own clock. */
export interface Leases {
  /**
   * Makes sure that there are `wanted` shards and resolves to how many there are: those that exist are kept as long as anybody holds one of
   * them, because a session belongs to one number of shards.
   */
  ensure(wanted: number): Promise<number>;
  /** Takes over at most one shard that nobody holds; those `held` here are for `renew`, even when their time has run out. */
  acquire(held: readonly Lease[]): Promise<Lease | null>;
  /** Prolongs these, and resolves to those that are still ours; an expired one that nobody took is ours again. */
  renew(held: readonly Lease[]): Promise<ReadonlySet<number>>;
  /** Gives one back, so that the next process can resume its session at once. */
  release(lease: Lease): Promise<void>;
}

interface Row {
  shard: number;
  shard_count: number;
  epoch: string;
  session_id: string | null;
  resume_url: string | null;
  watermark: string;
}

/** `owner` names this process and no other, ever. */
export function makeLeases(options: { database: Database; owner: string; leaseMs: number }): Leases {
  const { database, owner, leaseMs } = options;
  return {
    ensure: (wanted) =>
      database.transaction(async (tx) => {
        await tx.query("select pg_advisory_xact_lock(727002)");
        const [now] = await tx.query<{ count: number; held: boolean }>(
          "select count(*)::int as count, coalesce(bool_or(lease_until > now()), false) as held from shards",
        );
        if (now !== undefined && now.count > 0 && (now.held || now.count === wanted)) return now.count;
        await tx.query("delete from shards");
        await tx.query(
          "insert into shards (shard, shard_count) select n, $1::int from generate_series(0, $1::int - 1) n",
          [wanted],
        );
        return wanted;
      }),
    acquire: async (held) => {
      const [row] = await database.query<Row>(
        `update shards set owner = $1, lease_until = now() + make_interval(secs => $2), epoch = epoch + 1
         where shard = (select shard from shards where lease_until <= now() and shard <> all($3::int[])
                        order by shard limit 1 for update skip locked)
         returning shard, shard_count, epoch, session_id, resume_url, watermark`,
        [owner, leaseMs / 1000, held.map(({ shard }) => shard)],
      );
      return row === undefined ? null : fromRow(row);
    },
    renew: async (held) => {
      const rows = await database.query<{ shard: number }>(
        `update shards s set lease_until = now() + make_interval(secs => $1)
         from unnest($2::int[], $3::bigint[]) as held (shard, epoch)
         where s.shard = held.shard and s.epoch = held.epoch and s.owner = $4 returning s.shard`,
        [leaseMs / 1000, held.map(({ shard }) => shard), held.map(({ epoch }) => epoch), owner],
      );
      return new Set(rows.map(({ shard }) => shard));
    },
    release: async ({ shard, epoch }) => {
      await database.query(
        "update shards set owner = null, lease_until = '-infinity' where shard = $1 and epoch = $2 and owner = $3",
        [shard, epoch, owner],
      );
    },
  };
}

function fromRow(row: Row): Lease {
  const { session_id: id, resume_url: resumeUrl } = row;
  return {
    shard: row.shard,
    shardCount: row.shard_count,
    epoch: row.epoch,
    session: id === null || resumeUrl === null ? null : { id, resumeUrl, watermark: Number(row.watermark) },
  };
}

/** Moves the watermark, in the transaction that stores the events it stands for. Throws Fenced when the lease is no longer ours. */
export async function advance(tx: Sql, lease: Lease, progress: Progress): Promise<void> {
  const rows = await tx.query(
    `update shards set session_id = $3, resume_url = $4, watermark = $5 where shard = $1 and epoch = $2 returning 1`,
    [lease.shard, lease.epoch, progress.sessionId, progress.resumeUrl, progress.watermark],
  );
  if (rows.length === 0) throw new Fenced(lease.shard);
}

/** Throws Fenced when the lease is no longer ours; until `tx` ends nobody else takes the shard. */
export async function mustHold(tx: Sql, { shard, epoch }: Lease): Promise<void> {
  const rows = await tx.query("select from shards where shard = $1 and epoch = $2 for share", [shard, epoch]);
  if (rows.length === 0) throw new Fenced(shard);
}
