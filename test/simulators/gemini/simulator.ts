import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { faults, makeScript, type Behaviour } from "./behaviours.ts";
import { makeQuota, type QuotaLimits, type Violation } from "./quota.ts";
import { countInput, embeddingOf, textOf, type Body } from "./replies.ts";
import { generate, refuse, type Pace } from "./responses.ts";

export type { Behaviour } from "./behaviours.ts";

export interface SimulatorOptions extends Partial<QuotaLimits>, Partial<Pace> {
  /** 0: any free one. */
  readonly port?: number;
  /** True: what breaks a limit is refused with 429. Otherwise it is only counted as a violation. */
  readonly enforce?: boolean;
  readonly now?: () => number;
}

/** One request as it arrived. */
interface Captured {
  readonly method: string;
  readonly model: string;
  readonly operation: string;
  readonly at: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Body & Readonly<Record<string, unknown>>;
  /** True once the client hung up before the answer was out. */
  aborted: boolean;
}

export interface Simulator {
  /** For GEMINI_BASE_URL. */
  readonly url: string;
  readonly requests: readonly Captured[];
  readonly violations: readonly Violation[];
  script(...behaviours: readonly Behaviour[]): void;
  clear(): void;
  stop(): Promise<void>;
}

/** Starts a Gemini API on loopback, over real HTTP, that does what it is told and writes down what it was asked. */
export async function startGeminiSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { requestsPerMinute = null, tokensPerMinute = null, requestsPerDay = null } = options;
  const now = options.now ?? (() => Date.now());
  const quota = makeQuota({ requestsPerMinute, tokensPerMinute, requestsPerDay }, now);
  const requests: Captured[] = [];
  const script = makeScript();
  const pace = { firstTokenMs: options.firstTokenMs ?? 0, chunkMs: options.chunkMs ?? 0 };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = new URL(request.url ?? "/", "http://simulator").pathname;
    const raw = await readText(request);
    if (path.startsWith("/control/")) return control(path.slice("/control/".length), raw, response);
    const [, model, operation] = /^\/v1beta\/models\/([^/:]+):(\w+)$/.exec(path) ?? [];
    if (model === undefined || operation === undefined) return void refuse(response, "404", 0);
    if (request.headers["x-goog-api-key"] === undefined) return void refuse(response, "403", 0);
    const body = JSON.parse(raw) as Captured["body"];
    const captured = {
      method: request.method ?? "",
      model,
      operation,
      at: now(),
      headers: request.headers,
      body,
      aborted: false,
    };
    requests.push(captured);
    response.once("close", () => (captured.aborted = !response.writableFinished));
    const violation = quota.arrive(model, countInput(body));
    if (violation !== null && options.enforce === true) {
      const fault = violation.limit === "requests_per_day" ? "429-day" : "429-minute";
      return void refuse(response, fault, quota.retryDelaySeconds(model));
    }
    const kind = /embed/i.test(operation) ? "embed" : "generate";
    const behaviour = script.next(kind, model, raw);
    if (behaviour.fault !== undefined && refuse(response, behaviour.fault, behaviour.retryDelaySeconds ?? 30))
      return undefined;
    if (kind === "embed") return embed(response, body);
    return generate(response, body, behaviour, operation === "streamGenerateContent", pace);
  };
  const control = (what: string, raw: string, response: ServerResponse): void => {
    if (what === "script") script.add([JSON.parse(raw) as Behaviour | Behaviour[]].flat());
    if (what === "clear") script.clear();
    const operations = Object.entries(Object.groupBy(requests, (one) => one.operation)).map(([name, list]) => [
      name,
      list?.length,
    ]);
    const report = {
      requests: Object.fromEntries(operations),
      violations: quota.violations,
      scripted: script.length,
      faults,
    };
    json(response, 200, what === "requests" ? requests : report);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else json(response, 400, { error: { code: 400, message: String(error), status: "INVALID_ARGUMENT" } });
    });
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    violations: quota.violations,
    script: (...behaviours) => script.add(behaviours),
    clear: () => script.clear(),
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function embed(response: ServerResponse, body: Body): void {
  if (body.requests === undefined) return json(response, 200, { embedding: vector(body) });
  if (body.requests.length > 100) {
    return json(response, 400, {
      error: { code: 400, message: "at most 100 requests can be in one batch", status: "INVALID_ARGUMENT" },
    });
  }
  return json(response, 200, { embeddings: body.requests.map(vector) });
}

function vector(body: Body): { values: number[] } {
  return { values: embeddingOf(textOf(body), body.outputDimensionality ?? 3_072) };
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=UTF-8" });
  response.end(JSON.stringify(value));
}
