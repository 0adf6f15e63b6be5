import { loadPeer } from "./missing.ts";

/** Turns a text into a vector of so many numbers, for every peer the same. */
export interface Embedder {
  readonly dimensions: number;
  embed(text: string): readonly number[];
}

/** A long-term memory that somebody could take instead of ours: one guild's, on the same Postgres. */
export interface PeerMemory {
  add(text: string): Promise<void>;
  search(text: string): Promise<unknown>;
  close(): Promise<void>;
}

type OpenPeer = (options: { url: string; embedder: Embedder }) => Promise<PeerMemory | null>;

interface StorePackage {
  PostgresStore: {
    fromConnString(
      url: string,
      options: object,
    ): {
      setup(): Promise<void>;
      put(namespace: string[], key: string, value: object): Promise<void>;
      search(namespace: string[], options: object): Promise<unknown>;
      stop(): Promise<void>;
    };
  };
}

/** LangGraph's PostgresStore, with its vector index. Null where it is not installed. */
export const openPostgresStore: OpenPeer = async ({ url, embedder }) => {
  const peer = await loadPeer<StorePackage>("@langchain/langgraph-checkpoint-postgres/store");
  if (peer === null) return null;
  const embed = async (texts: string[]) => texts.map((text) => [...embedder.embed(text)]);
  const store = peer.PostgresStore.fromConnString(url, {
    index: { dims: embedder.dimensions, embed, fields: ["text"] },
  });
  await store.setup();
  let stored = 0;
  return {
    add: async (text) => store.put(["guild", "1"], String((stored += 1)), { text }),
    search: async (text) => store.search(["guild", "1"], { query: text, limit: 10 }),
    close: async () => store.stop(),
  };
};

interface Mem0Package {
  Memory: new (config: object) => {
    add(text: string, options: object): Promise<unknown>;
    search(text: string, options: object): Promise<unknown>;
    readonly vectorStore: { close(): Promise<void> };
    /** Has a connection of its own once it was used. */
    readonly _entityStore?: { close(): Promise<void> };
  };
}

/** mem0's open-source edition on pgvector with HNSW, without a model that extracts facts. Null where it is not installed. */
export const openMem0: OpenPeer = async ({ url, embedder }) => {
  process.env["MEM0_TELEMETRY"] = "false";
  const peer = await loadPeer<Mem0Package>("mem0ai/oss");
  if (peer === null) return null;
  const model = {
    embedQuery: async (text: string) => [...embedder.embed(text)],
    embedDocuments: async (texts: string[]) => texts.map((text) => [...embedder.embed(text)]),
  };
  const { hostname: host, port, username: user, password, pathname } = new URL(url);
  const config = { host, port: Number(port), user, password, dbname: pathname.slice(1), hnsw: true };
  const memory = new peer.Memory({
    embedder: { provider: "langchain", config: { model } },
    vectorStore: {
      provider: "pgvector",
      config: {
        ...config,
        collectionName: "memories",
        embeddingModelDims: embedder.dimensions,
        dimension: embedder.dimensions,
      },
    },
    llm: { provider: "openai", config: { apiKey: "none", model: "none" } },
    disableHistory: true,
  });
  return {
    add: async (text) => void (await memory.add(text, { userId: "guild-1", infer: false })),
    search: async (text) => memory.search(text, { filters: { user_id: "guild-1" }, topK: 10 }),
    close: async () => {
      await memory.vectorStore.close();
      await memory._entityStore?.close();
    },
  };
};
