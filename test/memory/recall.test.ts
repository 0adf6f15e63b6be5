import fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../src/connections/postgres.ts";
import { scopeOf, snowflakeAt, type Audience } from "../../src/envelope.ts";
import { makeRetention } from "../../src/memory/forget.ts";
import { recall, type RecallQuery } from "../../src/memory/recall.ts";
import { remember } from "../../src/memory/remember.ts";
import { describeOnEveryDatabase } from "../servers/databases.ts";
import { saying } from "./saying.ts";
import { randomFrom } from "../random.ts";

await describeOnEveryDatabase("memory", ({ open }) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database.close());

  function ask(
    words: string,
    over: Partial<RecallQuery> = {},
  ): Promise<readonly { text: string; score: number; id: string }[]> {
    return recall(database, {
      words,
      locale: null,
      scope: "1",
      channelId: "10",
      alsoReadable: "public",
      vectors: [],
      limit: 10,
      now: new Date(1_770_000_000_000),
      ...over,
    });
  }

  describe("recall finds again", () => {
    const pairs: readonly (readonly [string, string, string | null, string])[] = [
      ["English, by another form of the word", "My cats are called Miso and Mochi", null, "what is my cat called"],
      ["Japanese, which has no spaces", "私の猫の名前は味噌です。とても可愛いです。", "ja", "猫の名前は何ですか"],
      ["Arabic, with and without vowel signs", "قِطَّتِي تُحِبُّ السَّمَك", "ar", "قطتي السمك"],
      ["Thai, which has no spaces", "แมวของฉันชอบกินปลาทูน่า", "th", "แมวชอบกินอะไร"],
      ["emoji", "the deployment went 🚀 yesterday", null, "🚀"],
      ["an identifier by its parts", "set maxLinesPerFunction in oxlint.config.ts", null, "lines function config"],
      ["a path", "the crash is in src/inbox/consumer.ts", null, "consumer.ts"],
      ["German, by its stem", "Die Häuser in der Altstadt werden renoviert", "de", "Haus renovieren Altstadt"],
    ];
    it.each(pairs)("%s", async (_, text, locale, question) => {
      const scope = String(1_000 + pairs.findIndex((pair) => pair[1] === text));
      const place = { guildId: scope, channelId: scope, conversationId: scope, locale };
      await remember(database, [
        saying("the weather is fine", place),
        saying(text, place),
        saying("12:30 lunch", place),
      ]);
      const [best] = await ask(question, { scope, channelId: scope, locale });
      expect(best?.text).toBe(text);
    });

    it("what was said around the words that were asked for", async () => {
      const place = { guildId: "2000", channelId: "2000", conversationId: "2000" };
      await remember(database, [
        saying("Where shall we spend the summer holidays?", place),
        saying("Porto, definitely.", place),
        ...Array.from({ length: 8 }, (_, i) => saying(`unrelated chatter number ${i}`, place)),
      ]);
      const found = await ask("summer holidays", { scope: "2000", channelId: "2000" });
      expect(found.map((memory) => memory.text)).toContain("Porto, definitely.");
    });

    it("by meaning, when vectors of the same space are there, and never by those of another space", async () => {
      const place = { guildId: "2100", channelId: "2100", conversationId: "2100" };
      await remember(database, [saying("feline companion", place), saying("motor vehicle", place)]);
      const rows = await database.query<{ id: string; text: string }>(
        "select id, text from memories where scope = 2100",
      );
      for (const row of rows) {
        const near = row.text === "feline companion" ? "[1,0,0]" : "[0,1,0]";
        await database.query("insert into memory_vectors values ($1, 2100, 'model-a@3', $2::halfvec)", [row.id, near]);
      }
      const vector = { values: [0.9, 0.1, 0], weight: 1, threshold: 0.7 };
      const where = { scope: "2100", channelId: "2100" };
      const found = await ask("cat", { ...where, vectors: [{ ...vector, space: "model-a@3" }] });
      expect(found.map((memory) => memory.text)).toEqual(["feline companion"]);
      expect(await ask("cat", { ...where, vectors: [{ ...vector, space: "model-b@3" }] })).toEqual([]);
    });

    it("the same by sketch and exact ranking as by comparing every vector, in a scope of thousands", async () => {
      const place = { guildId: "2200", channelId: "2200", conversationId: "2200" };
      const random = randomFrom(5);
      const vector = (): number[] => Array.from({ length: 128 }, () => random() - 0.5);
      const topics = Array.from({ length: 100 }, vector);
      const vectorOf = (n: number) => (topics[n % 100] ?? []).map((value) => value + (random() - 0.5));
      const said = Array.from({ length: 3_000 }, (_, i) => saying(`words ${i}`, place));
      await remember(database, said);
      await database.query(
        `insert into memory_vectors select m.id, 2200, 'big@128', v.embedding::halfvec
       from unnest($1::bigint[], $2::text[]) as v (source, embedding) join memories m on m.source_message_id = v.source`,
        [said.map((memory) => memory.sourceMessageId), said.map((_, i) => `[${vectorOf(i).join(",")}]`)],
      );
      for (let i = 0; i < 10; i += 1) {
        const values = vectorOf(i);
        const vectors = [{ space: "big@128", values, weight: 1, threshold: -1 }];
        const found = await ask("zyzzyva", { scope: "2200", channelId: "2200", vectors });
        const exact = await database.query<{ id: string }>(
          "select memory_id as id from memory_vectors where scope = 2200 order by embedding <#> $1::halfvec limit 10",
          [`[${values.join(",")}]`],
        );
        expect(new Set(found.map(({ id }) => id))).toEqual(new Set(exact.map(({ id }) => id)));
      }
    });

    it("nothing for words that nobody said, and nothing for no words", async () => {
      expect(await ask("zyzzyva")).toEqual([]);
      expect(await ask("   ")).toEqual([]);
      expect(await ask("\u{1F9FF} ' \" ; -- \\ {} [] 1:2/3")).toEqual([]);
    });
  });

  describe("recall never crosses a border", () => {
    it("whatever was said wherever: no memory of another guild or direct conversation, none of a private channel elsewhere", async () => {
      const place = fc.record({
        guildId: fc.option(fc.constantFrom("301", "302", "303"), { nil: null }),
        channelId: fc.constantFrom("311", "312", "313", "314"),
        audience: fc.constantFrom<Audience>("public", "private"),
      });
      const vector = { space: "s@2", values: [1, 0], weight: 1, threshold: -1 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(place, { minLength: 1, maxLength: 12 }),
          place,
          fc.constantFrom("channel", "scope"),
          async (places, here, within) => {
            await database.query("delete from memories where scope between 301 and 399");
            const said = places.map((p, i) => ({ ...settle(p), text: `the secret word number ${i}` }));
            await remember(
              database,
              said.map(({ text, ...at }) => saying(text, at)),
            );
            await database.query(
              "insert into memory_vectors select id, scope, 's@2', '[1,0]' from memories where scope between 301 and 399",
            );
            const asking = settle(here);
            const found = await ask("secret word", {
              scope: scopeOf(asking),
              channelId: asking.channelId,
              alsoReadable: within === "scope" ? "public" : [],
              vectors: [vector],
              limit: 50,
            });
            const allowed = said.filter(
              (memory) =>
                scopeOf(memory) === scopeOf(asking) &&
                (memory.channelId === asking.channelId || (within === "scope" && memory.audience === "public")),
            );
            expect(found.map((memory) => memory.text).toSorted()).toEqual(
              allowed.map((memory) => memory.text).toSorted(),
            );
          },
        ),
        { numRuns: 60 },
      );
    });

    /** A direct conversation is its own scope and has one audience. */
    function settle(place: { guildId: string | null; channelId: string; audience: Audience }) {
      const audience: Audience = place.guildId === null ? "direct" : place.audience;
      // Channel ids are unique across guilds, as Discord's are.
      const channelId = place.guildId === null ? place.channelId : `${place.guildId}${place.channelId}`;
      return { guildId: place.guildId, channelId, conversationId: channelId, audience };
    }
  });

  describe("the counts behind BM25", () => {
    it("are right after anything was added, repeated and forgotten", async () => {
      const count = async () =>
        database.query(`select t.term, t.memories::int as n from term_counts t where scope = 4000 order by term`);
      const truth = async () =>
        database.query(
          `select term, count(*)::int as n from memories, unnest(term_ids) as term where scope = 4000 group by term order by term`,
        );
      const place = { guildId: "4000", channelId: "4000", conversationId: "4000" };
      const twice = saying("tea and coffee", place);
      await remember(database, [twice, saying("tea again", place), saying("coffee", place)]);
      await remember(database, [twice]);
      expect(await count()).toEqual(await truth());
      await database.query("delete from memories where scope = 4000 and text like 'tea%'");
      expect(await count()).toEqual(await truth());
      expect(await database.query("select memories::int as n from scope_sizes where scope = 4000")).toEqual([{ n: 1 }]);
    });
  });

  describe("retention", () => {
    it("forgets memories, turns and their traces older than the days they may be kept, in batches, and nothing younger", async () => {
      const old = {
        guildId: "5000",
        channelId: "5000",
        conversationId: "5000",
        createdAt: new Date(Date.now() - 31 * 86_400_000),
      };
      await remember(
        database,
        Array.from({ length: 700 }, (_, i) => saying(`old ${i}`, old)),
      );
      await remember(database, [saying("young", { ...old, createdAt: new Date() })]);
      const [long, lately] = [31, 29].map((days) => snowflakeAt(Date.now() - days * 86_400_000));
      const ids = [long, lately];
      await database.query("insert into spoken select id, 0, id + 1, 5, 6, 'mira' from unnest($1::bigint[]) id", [ids]);
      await database.query("insert into feedback select id, 9, 1 from unnest($1::bigint[]) id", [ids]);
      const retention = makeRetention({ database, days: () => 30, log: pino({ level: "silent" }) });
      await retention.runOnce();
      expect(await database.query("select text from memories where scope = 5000")).toEqual([{ text: "young" }]);
      for (const table of ["spoken", "feedback"])
        expect(await database.query(`select message_id from ${table}`), table).toEqual([{ message_id: lately }]);
      expect(await makeRetention({ database, days: () => null, log: pino({ level: "silent" }) }).runOnce()).toBe(0);
    });
  });
});
