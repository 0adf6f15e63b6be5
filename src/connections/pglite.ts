import { cpSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Duplex } from "node:stream";
import type { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import { lockFolder } from "./folder-lock.ts";
import { makeDatabase, type Database } from "./postgres.ts";

/**
 * The wire between `pg` and the embedded Postgres: what `pg` writes is executed, what comes back is read. Thanks to it
 * the rest of the program knows only `pg`.
 */
class EmbeddedSocket extends Duplex {
  readonly #lite: PGlite;

  constructor(lite: PGlite) {
    super();
    this.#lite = lite;
  }

  connect(): this {
    queueMicrotask(() => this.emit("connect"));
    return this;
  }

  setNoDelay = (): this => this;
  setKeepAlive = (): this => this;
  ref = (): this => this;
  unref = (): this => this;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#execute(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#execute(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  #execute(bytes: Buffer, done: (error?: Error | null) => void): void {
    const terminate = 0x58;
    if (bytes[0] === terminate) {
      this.push(null);
      done();
      return;
    }
    this.#lite.execProtocolRaw(bytes).then((answer) => {
      if (answer.length > 0) this.push(Buffer.from(answer));
      done();
    }, done);
  }
}

/**
 * Opens (and creates, if need be) the embedded Postgres in `folder` and locks it against a second process.
 * `template`: a folder with a migrated database that a new one is copied from; skipped when it is not there.
 */
export async function openPglite(folder: string, options: { template?: string | null } = {}): Promise<Database> {
  const unlock = await lockFolder(folder);
  try {
    const pgdata = join(folder, "postgres");
    if (options.template) await copyTemplate(options.template, pgdata);
    const [{ PGlite: Lite }, { vector }] = await Promise.all([
      import("@electric-sql/pglite"),
      import("@electric-sql/pglite-pgvector"),
    ]);
    // 128 MB of shared buffers, the default, were a third of the resident memory of the whole process.
    const lite = await Lite.create({
      dataDir: pgdata,
      extensions: { vector },
      postgresqlconf: ["shared_buffers=16MB"],
    });
    const pool = new pg.Pool({
      max: 1,
      // Queries wait their turn for milliseconds; this long means that somebody queried around a transaction.
      connectionTimeoutMillis: 20_000,
      user: "postgres",
      database: "postgres",
      idleTimeoutMillis: 0,
      stream: () => new EmbeddedSocket(lite),
    });
    const onClose = async () => {
      await lite.close();
      await unlock();
    };
    return makeDatabase(pool, { onClose });
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function copyTemplate(template: string, pgdata: string): Promise<void> {
  const there = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    );
  if ((await there(pgdata)) || !(await there(template))) return;
  // Renamed into place, so that a copy cut short by a kill is never taken for a database.
  const unfinished = `${pgdata}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  // All at once: one call for each of 500 files took five times as long.
  cpSync(template, unfinished, { recursive: true });
  await rename(unfinished, pgdata);
}
