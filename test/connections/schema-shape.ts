import type { Sql } from "../../src/connections/postgres.ts";

/** What our schema and the queue's are made of, in words. */
export async function shapeOf(database: Sql): Promise<readonly string[]> {
  const rows = await database.query<{ line: string }>(
    `select table_schema || '.' || table_name || '.' || column_name || ' ' || data_type as line from information_schema.columns where table_schema in ('public', 'pgboss')
     union all select indexdef from pg_indexes where schemaname in ('public', 'pgboss')
     union all select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname in ('public', 'pgboss') and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
     union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
     union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace::regnamespace::text in ('public', 'pgboss')
     union all select name from schema_migrations order by 1`,
  );
  return rows.map(({ line }) => line);
}
