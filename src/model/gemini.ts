import type {
  EmbedContentRequest,
  GenerateContentRequest,
  GenerateContentResponse,
  GenerativeModel,
} from "@google/generative-ai";
import { ForeseenError } from "../errors.ts";
import { untilAborted } from "../resilience/policies.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { modelDeadline, modelMisconfigured, modelUnavailable, readRefusal } from "./failures.ts";
import { outcomeOf, plainEvents, toResponseSchema } from "./gemini-wire.ts";
import type { EmbedRequest, GenerateRequest, Model, Usage } from "./model.ts";

export interface GeminiOptions {
  readonly apiKey: string;
  readonly model: string;
  readonly embeddingModel: string;
  readonly embeddingDimensions: number;
  readonly baseUrl: string;
  /** A call that brings nothing for so long has failed: the first byte, each chunk of a stream, a whole reply. */
  readonly silenceMs?: number;
}

/** Everything a call needs that ends with it. */
interface Call {
  /** Hands the SDK a `fetch` that obeys this call, and returns what the SDK returns. */
  readonly through: <T>(start: () => Promise<T>) => Promise<T>;
  /** Something came: the silence starts anew. */
  readonly heard: () => unknown;
}

/** The Gemini API. It neither limits nor repeats calls; the governor in front of it does. Nothing is loaded before the first call. */
export function makeGemini(options: GeminiOptions): Model {
  const dimensions = options.embeddingDimensions;
  const current = `${options.embeddingModel}@${dimensions}`;
  const embedder = { space: current, kind: "semantic", dimensions, reads: isGeminiSpace } as const;
  const open = async (name: string): Promise<GenerativeModel> => {
    const { GoogleGenerativeAI } = await import("@google/generative-ai");
    const baseUrl = options.baseUrl.replace(/\/+$/, "");
    return new GoogleGenerativeAI(options.apiKey).getGenerativeModel({ model: name }, { baseUrl });
  };
  const silenceMs = options.silenceMs ?? 30_000;
  return {
    name: options.model,
    offline: false,
    embedder,
    generate: (request, signal) =>
      during(signal, silenceMs, async (call) => {
        const name = request.model ?? options.model;
        const model = await open(name);
        const body = bodyOf(request, name);
        const { text, reason, usage } =
          request.onText === undefined
            ? await whole(model, body, call)
            : await streamed(model, body, call, request.onText);
        return outcomeOf(text, reason, name, usage);
      }),
    embed: (request, signal) =>
      during(signal, silenceMs, async (call) => {
        const space = partsOf(request.space ?? current);
        const model = await open(space.model);
        const [first, ...more] = embedBodies(request, space);
        if (first === undefined || more.length >= 100) throw new RangeError("1 to 100 texts are embedded at a time");
        const embeddings =
          more.length === 0
            ? [(await call.through(() => model.embedContent(first))).embedding]
            : (await call.through(() => model.batchEmbedContents({ requests: [first, ...more] }))).embeddings;
        if (embeddings?.length !== request.texts.length)
          throw modelUnavailable("it returned another number of vectors than texts");
        return embeddings.map((embedding) => unit(embedding?.values, space.dimensions));
      }),
  };
}

/**
 * Runs one call with an AbortController and a timer of its own. The SDK ignores a signal that is already aborted, never
 * clears its timers, and reports an abort in mid-stream as a parse error: so none of its own means are used.
 */
async function during<T>(signal: AbortSignal, silenceMs: number, work: (call: Call) => Promise<T>): Promise<T> {
  if (signal.aborted) throw modelDeadline();
  const own = new AbortController();
  const onAbort = () => own.abort(modelDeadline());
  signal.addEventListener("abort", onAbort, { once: true });
  const onSilence = () => own.abort(modelUnavailable(`it was silent for ${Math.round(silenceMs / 1000)} s`));
  const timer = setTimeout(onSilence, silenceMs);
  // A timer that was cleared would start again when refreshed.
  const heard = () => own.signal.aborted || timer.refresh();
  const usualFetch = globalThis.fetch;
  const network: { fault: unknown } = { fault: null };
  const ownFetch: typeof fetch = async (input, init) => {
    try {
      const response = await usualFetch(input, { ...init, signal: own.signal });
      heard();
      if (!response.ok || response.body === null || !isStream(response)) return response;
      return new Response(response.body.pipeThrough(plainEvents()), { headers: response.headers });
    } catch (error) {
      network.fault = error;
      throw error;
    }
  };
  // The SDK has no option for `fetch`; it reads the global one before its first await, so the exchange is never seen elsewhere.
  const through = <R>(start: () => Promise<R>): Promise<R> => {
    globalThis.fetch = ownFetch;
    try {
      return start();
    } finally {
      globalThis.fetch = usualFetch;
    }
  };
  try {
    return await untilAborted(work({ through, heard }), own.signal);
  } catch (error) {
    throw own.signal.aborted ? error : await translate(error, network.fault);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    own.abort();
  }
}

function isStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") === true;
}

/** The SDK's messages hold the URL, the prompt or the answer: they are read here and go no further, not even as `cause`. */
async function translate(error: unknown, network: unknown): Promise<unknown> {
  if (error instanceof ForeseenError || error instanceof RangeError) return error;
  const sdk = await import("@google/generative-ai");
  if (error instanceof sdk.GoogleGenerativeAIFetchError) {
    return readRefusal(error.status ?? 500, error.message, error.errorDetails, Date.now());
  }
  if (network !== null) return modelUnavailable(`the connection failed${codeOf(network)}`);
  if (error instanceof SyntaxError) return modelUnavailable("it sent something that is not JSON");
  if (error instanceof sdk.GoogleGenerativeAIError)
    return modelUnavailable("its stream broke off or could not be read");
  return error instanceof TypeError ? modelUnavailable(`its reply broke off or was malformed${codeOf(error)}`) : error;
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
}

function bodyOf(request: GenerateRequest, name: string): GenerateContentRequest {
  const { sampling, thinking, images } = capabilitiesOf(name);
  const pictures = images ? (request.images ?? []) : [];
  const parts = pictures.map(({ mediaType: mimeType, base64: data }) => ({ inlineData: { mimeType, data } }));
  return {
    systemInstruction: request.system,
    contents: [{ role: "user", parts: [{ text: request.prompt }, ...parts] }],
    generationConfig: {
      maxOutputTokens: request.maxOutputTokens,
      ...(sampling && request.temperature !== null ? { temperature: request.temperature } : {}),
      ...(request.schema === null
        ? {}
        : { responseMimeType: "application/json", responseSchema: toResponseSchema(request.schema) as never }),
      ...(thinking === null ? {} : { thinkingConfig: thinking }),
    },
  };
}

interface Written {
  readonly text: string;
  readonly reason: string;
  readonly usage: Usage;
}

async function whole(model: GenerativeModel, body: GenerateContentRequest, call: Call): Promise<Written> {
  const { response } = await call.through(() => model.generateContent(body));
  refuseErrorIn(response);
  const reason = stopOf(response);
  if (reason === null) throw modelUnavailable("its reply has no end");
  return { text: textOf(response), reason, usage: usageOf(response) ?? noUsage };
}

async function streamed(
  model: GenerativeModel,
  body: GenerateContentRequest,
  call: Call,
  onText: (delta: string) => void,
): Promise<Written> {
  const { stream, response } = await call.through(() => model.generateContentStream(body));
  // The SDK's aggregate is not used, and its rejection would end the process.
  response.catch(() => {});
  let [text, reason, usage]: [string, string | null, Usage] = ["", null, noUsage];
  for await (const chunk of stream) {
    call.heard();
    refuseErrorIn(chunk);
    const delta = textOf(chunk);
    text += delta;
    reason = stopOf(chunk) ?? reason;
    usage = usageOf(chunk) ?? usage;
    if (delta !== "") onText(delta);
  }
  if (reason === null) throw modelUnavailable("its stream ended before the answer did");
  return { text, reason, usage };
}

/** An error can come inside a reply of 200, where the SDK looks no more. */
function refuseErrorIn(chunk: GenerateContentResponse): void {
  const error: unknown = "error" in chunk ? chunk.error : null;
  if (typeof error !== "object" || error === null) return;
  const { code = 500, message = "", details } = error as { code?: number; message?: string; details?: unknown };
  throw readRefusal(code, message, details, Date.now());
}

function stopOf(chunk: GenerateContentResponse): string | null {
  const reason = chunk.candidates?.[0]?.finishReason ?? chunk.promptFeedback?.blockReason;
  return reason ?? null;
}

/** Not the SDK's `text()`: that throws or is empty by reasons of its own, and takes thoughts for text. */
function textOf(chunk: GenerateContentResponse): string {
  const parts: readonly { readonly text?: string; readonly thought?: boolean }[] =
    chunk.candidates?.[0]?.content?.parts ?? [];
  return parts.map((part) => (part.thought === true ? "" : (part.text ?? ""))).join("");
}

const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };

function usageOf(chunk: GenerateContentResponse): Usage | null {
  if (chunk.usageMetadata === undefined) return null;
  const counts: { readonly thoughtsTokenCount?: number } & Partial<typeof chunk.usageMetadata> = chunk.usageMetadata;
  return {
    inputTokens: counts.promptTokenCount ?? 0,
    outputTokens: (counts.candidatesTokenCount ?? 0) + (counts.thoughtsTokenCount ?? 0),
    cachedTokens: counts.cachedContentTokenCount ?? 0,
  };
}

function isGeminiSpace(space: string): boolean {
  return /^(?!offline-)[\w./-]+@\d+$/.test(space);
}

function partsOf(space: string): { model: string; dimensions: number } {
  const cut = space.lastIndexOf("@");
  return { model: space.slice(0, cut), dimensions: Number(space.slice(cut + 1)) };
}

function embedBodies(request: EmbedRequest, space: { model: string; dimensions: number }): EmbedContentRequest[] {
  const query = request.task === "query";
  // The second generation takes the task as words in the text and refuses `taskType`.
  const prefixed = space.model.includes("gemini-embedding-2");
  const prefix = query ? "task: search result | query: " : "title: none | text: ";
  return request.texts.map((text) => {
    const content = { role: "user", parts: [{ text: prefixed ? prefix + text : text }] };
    const task = prefixed ? {} : { taskType: (query ? "RETRIEVAL_QUERY" : "RETRIEVAL_DOCUMENT") as never };
    // `outputDimensionality` is missing from the SDK's type and reaches the wire all the same.
    return { content, ...task, outputDimensionality: space.dimensions };
  });
}

/** Gemini normalises only its full 3,072 dimensions. */
function unit(values: readonly number[] | undefined, dimensions: number): number[] {
  if (values?.length !== dimensions) {
    throw modelMisconfigured(
      `it made a vector of ${values?.length ?? 0} dimensions, not ${dimensions}`,
      "Set EMBEDDING_DIMENSIONS to a size that EMBEDDING_MODEL offers",
    );
  }
  const length = Math.hypot(...values);
  if (!(length > 0)) throw modelUnavailable("it returned a vector of no length");
  return values.map((value) => value / length);
}
