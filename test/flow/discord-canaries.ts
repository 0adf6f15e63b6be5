import type { Database } from "../../src/connections/postgres.ts";
import { openServerHome, type DatabaseKind, type Home } from "../servers/databases.ts";
import { askRedis, openServerRedis, whyNoRedis } from "../servers/shared.ts";
import type { openCounter } from "./discord-counter.ts";

/** A word that nobody says by chance, different for each `n`. */
export const word = (n: number | string) => `Kanari${n}vogel`;
/** Any of these words. */
export const anyWord = /Kanari\w+vogel/gu;
/** What `/forget` asks, and what it answers; their groups are the memories, messages and vectors. */
export const question = /Concerned: memories ([\d,]+), messages ([\d,]+), vectors ([\d,]+)\.$/;
export const receipt = /^Forgotten\. Removed: memories ([\d,]+), messages ([\d,]+), vectors ([\d,]+)\.$/;

/** The numbers in a text that the groups of `pattern` find. */
export function figuresIn(text: string, pattern: RegExp): number[] {
  return (pattern.exec(text) ?? []).slice(1).map((figure) => Number(figure.replaceAll(",", "")));
}

/** The words that stand in these texts. */
export function wordsIn(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.match(anyWord) ?? []);
}

/** What a search through a whole database found: the words, each once and sorted, and how much was looked through. */
interface LiveRows {
  readonly words: readonly string[];
  readonly tables: number;
  readonly rows: number;
}

/** Ways to plant words with the bot at this counter, and to find them again; `alone`: nobody else may use its database. */
export function plantAt(at: Awaited<ReturnType<typeof openCounter>>, alone: boolean) {
  /** The model will repeat `words` when it hears `when`. */
  const repeat = (when: string, words = when) =>
    at.gemini.script({ reply: { agent: "mira", reply: `You said ${words}.` }, when, on: "generate", times: 1 });
  return {
    repeat,
    /** Somebody, Ann unless told otherwise, says a word to the bot, which repeats it. */
    plant: (n: number | string, over: Parameters<typeof at.talk>[1] = {}, words = `remember ${word(n)}`) => {
      repeat(word(n));
      return at.talk(`${at.me} ${words}`, over);
    },
    promptsSince: (n: number) => at.gemini.requests.slice(n).map(({ body }) => JSON.stringify(body)),
    /** What was shown last for a command, and its words as they were then. */
    shownFor: async (gesture: Parameters<typeof at.use>[0]) => {
      const message = at.said(await at.use(gesture)).at(-1);
      if (message === undefined) throw new Error("nothing was shown");
      return { message, content: message.content };
    },
    /** Searches the whole database; the product is stopped meanwhile where it has to be. */
    inDatabase: async (): Promise<LiveRows> => {
      if (alone) await at.stop();
      const found = await at.look(readWords);
      if (alone) await at.start();
      return found;
    },
    /** Makes memories so old that they get their vectors within seconds. */
    age: async () => {
      if (alone) await at.stop();
      await at.look((database) => database.query("update memories set created_at = created_at - interval '1 hour'"));
      if (alone) await at.start();
    },
  };
}

/** Reads every live row of every table, those of the queue too, all columns as text. */
async function readWords(database: Database): Promise<LiveRows> {
  const tables = await database.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
  );
  const words = new Set<string>();
  let rows = 0;
  for (const { name } of tables) {
    const found = await database.query<{ whole: string }>(`select t::text as whole from ${name} t`);
    rows += found.length;
    for (const one of wordsIn(found.map(({ whole }) => whole))) words.add(one);
  }
  return { words: [...words].sort(), tables: tables.length, rows };
}

const everything = `local all = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind = redis.call("TYPE", key).ok
  local value = kind == "list" and redis.call("LRANGE", key, 0, -1) or kind == "hash" and redis.call("HGETALL", key) or {key}
  for _, one in ipairs(value) do all[#all + 1] = one end
  if kind == "string" then all[#all + 1] = redis.call("GET", key) end
end
return all`;

/** A home of this kind; beside a server with a Redis where there is one, and the words that stand in that; null: there is none. */
export async function openHomeOf(
  kind: DatabaseKind,
): Promise<{ readonly home: Home; readonly inRedis: () => Promise<readonly string[] | null> }> {
  if (kind.alone || (await whyNoRedis()) !== null) return { home: await kind.openHome(), inRedis: async () => null };
  const [home, redis] = await Promise.all([openServerHome(), openServerRedis()]);
  return {
    home: {
      ...home,
      env: { ...home.env, REDIS_URL: redis.url },
      remove: async () => {
        await home.remove();
        await redis.drop();
      },
    },
    inRedis: async () => [...new Set(wordsIn([await askRedis(redis.url, "EVAL", everything, "0")]))].sort(),
  };
}
