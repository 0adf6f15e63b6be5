import { GoogleGenerativeAI } from "@google/generative-ai";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import pg from "pg";
import { loadPeer } from "./missing.ts";

interface Checkpointer {
  PostgresSaver: { fromConnString(url: string): { setup(): Promise<void>; end(): Promise<void> } };
}

/** A bot as a tutorial builds it: LangGraph with PostgresSaver, one query a step, the same model; answers one message of one conversation. */
export interface CheckpointedBot {
  answer(conversation: string, text: string): Promise<string>;
  close(): Promise<void>;
}

/** Null where the peer is not installed. */
export async function openCheckpointedBot(options: {
  url: string;
  geminiUrl: string;
}): Promise<CheckpointedBot | null> {
  const peer = await loadPeer<Checkpointer>("@langchain/langgraph-checkpoint-postgres");
  if (peer === null) return null;
  const saver = peer.PostgresSaver.fromConnString(options.url);
  await saver.setup();
  const pool = new pg.Pool({ connectionString: options.url, max: 10 });
  await pool.query(`create table if not exists messages (
    id bigserial primary key, conversation text not null, author text not null, text text not null, at timestamptz not null default now(),
    words tsvector generated always as (to_tsvector('simple', text)) stored)`);
  await pool.query("create index if not exists messages_of on messages (conversation, id)");
  await pool.query("create index if not exists messages_words on messages using gin (words)");
  const model = new GoogleGenerativeAI("x").getGenerativeModel(
    { model: "gemini-3.5-flash-lite" },
    { baseUrl: options.geminiUrl },
  );
  const State = Annotation.Root({
    conversation: Annotation<string>(),
    text: Annotation<string>(),
    recent: Annotation<readonly string[]>(),
    memories: Annotation<readonly string[]>(),
    reply: Annotation<string>(),
  });
  const graph = new StateGraph(State)
    .addNode("keep", async ({ conversation, text }) => {
      await pool.query("insert into messages (conversation, author, text) values ($1, 'person', $2)", [
        conversation,
        text,
      ]);
      return {};
    })
    .addNode("remember", async ({ conversation }) => {
      const { rows } = await pool.query<{ text: string }>(
        "select text from messages where conversation = $1 order by id desc limit 20",
        [conversation],
      );
      return { recent: rows.map(({ text }) => text) };
    })
    .addNode("recall", async ({ text }) => {
      const { rows } = await pool.query<{ text: string }>(
        "select text from messages where words @@ plainto_tsquery('simple', $1) order by ts_rank(words, plainto_tsquery('simple', $1)) desc limit 10",
        [text],
      );
      return { memories: rows.map((row) => row.text) };
    })
    .addNode("write", async ({ recent, memories, text }) => {
      const { response } = await model.generateContent([...memories, ...recent, text].join("\n"));
      return { reply: response.text() };
    })
    .addNode("store", async ({ conversation, reply }) => {
      await pool.query("insert into messages (conversation, author, text) values ($1, 'bot', $2)", [
        conversation,
        reply,
      ]);
      return {};
    })
    .addEdge(START, "keep")
    .addEdge("keep", "remember")
    .addEdge("remember", "recall")
    .addEdge("recall", "write")
    .addEdge("write", "store")
    .addEdge("store", END)
    .compile({ checkpointer: saver as never });
  return {
    answer: async (conversation, text) => {
      const { reply } = await graph.invoke({ conversation, text }, { configurable: { thread_id: conversation } });
      return reply;
    },
    close: async () => {
      await saver.end();
      await pool.end();
    },
  };
}
