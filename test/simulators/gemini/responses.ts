import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Behaviour, FaultName } from "./behaviours.ts";
import { bringsFunctionResponse, countInput, countTokens, replyTo, type Body } from "./replies.ts";

export interface Pace {
  readonly firstTokenMs: number;
  readonly chunkMs: number;
}

/** Answers a generate call: whole, or in events when streaming, with whatever goes wrong on the way. */
export async function generate(
  response: ServerResponse,
  body: Body,
  behaviour: Behaviour,
  stream: boolean,
  pace: Pace,
) {
  await pause(behaviour.firstTokenMs ?? pace.firstTokenMs);
  const chunks = chunksOf(body, behaviour, stream);
  const { fault } = behaviour;
  if (!stream) {
    const json = JSON.stringify(fault === undefined ? chunks[0] : (insideError(fault) ?? chunks[0]));
    response.writeHead(200, { "content-type": "application/json; charset=UTF-8" });
    if (fault === "half-json" || fault === "cut") return void response.end(json.slice(0, json.length / 2));
    if (fault === "reset-mid" || fault === "hang-mid") {
      response.write(json.slice(0, json.length / 2), () => fault === "reset-mid" && response.destroy());
      return undefined;
    }
    return void response.end(json);
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const middle = Math.floor(chunks.length / 2);
  for (const [index, chunk] of chunks.entries()) {
    if (index > 0) await pause(behaviour.chunkMs ?? pace.chunkMs);
    if (index === middle && fault !== undefined) return breakOff(response, fault, JSON.stringify(chunk));
    if (behaviour.comments === true) response.write(`: keep-alive ${index}\n\nevent: message\r\nid: ${index}\r\n`);
    await write(response, `data: ${JSON.stringify(chunk)}\r\n\r\n`);
  }
  response.end();
}

/** A model without latency takes no time at all; a timer of 0 takes a millisecond or two. */
async function pause(ms: number): Promise<void> {
  if (ms > 0) await sleep(ms);
}

function breakOff(response: ServerResponse, fault: FaultName, json: string): void {
  if (fault === "hang-mid") return;
  if (fault === "reset-mid") return void response.destroy();
  const error = insideError(fault);
  if (error !== null) response.write(`data: ${JSON.stringify(error)}\r\n\r\n`);
  if (fault === "quota-in-200") return;
  if (fault === "half-json") response.write(`data: ${json.slice(0, json.length / 2)}\r\n\r\n`);
  response.end();
}

function insideError(fault: FaultName): object | null {
  if (fault === "quota-in-200") return errorBody(429, "429-minute");
  return fault === "error-in-200" ? errorBody(503) : null;
}

function write(response: ServerResponse, text: string): Promise<void> {
  return new Promise((resolve) => {
    // The client may have gone: the callback then gets an error, and there is nobody to tell.
    response.write(text, () => resolve());
  });
}

function chunksOf(body: Body, behaviour: Behaviour, stream: boolean): readonly object[] {
  const text = replyTo(body, behaviour);
  const inputTokens = countInput(body);
  const usageMetadata = {
    promptTokenCount: inputTokens,
    candidatesTokenCount: countTokens(text),
    totalTokenCount: inputTokens + countTokens(text),
    ...(behaviour.cachedTokens === undefined ? {} : { cachedContentTokenCount: behaviour.cachedTokens }),
  };
  if (behaviour.blockReason !== undefined)
    return [{ promptFeedback: { blockReason: behaviour.blockReason }, usageMetadata }];
  const calls = behaviour.functionCall !== undefined && !bringsFunctionResponse(body);
  const parts: object[] =
    behaviour.thought === undefined ? [] : [{ text: behaviour.thought, thought: true, thoughtSignature: "c2ln" }];
  if (calls) parts.push({ functionCall: behaviour.functionCall });
  for (const [piece] of text.matchAll(stream ? /[^]{1,16}/gu : /[^]+/gu)) parts.push({ text: piece });
  const finishReason = behaviour.finishReason ?? "STOP";
  if (!stream) return [candidate(parts, finishReason, usageMetadata)];
  const last = parts.pop();
  return [
    ...parts.map((part) => candidate([part], undefined, usageMetadata)),
    candidate(last === undefined ? [] : [last], finishReason, usageMetadata),
  ];
}

function candidate(parts: readonly object[], finishReason: string | undefined, usageMetadata: object): object {
  const content = parts.length === 0 ? { role: "model" } : { role: "model", parts };
  return {
    candidates: [{ content, index: 0, ...(finishReason === undefined ? {} : { finishReason }) }],
    usageMetadata,
  };
}

/** Answers with a refusal, if this fault is one that comes before any reply; false otherwise. */
export function refuse(response: ServerResponse, fault: FaultName, retryDelaySeconds: number): boolean {
  if (fault === "reset") response.destroy();
  if (fault === "reset" || fault === "hang") return true;
  if (fault === "502-html" || fault === "200-html") {
    response.writeHead(Number.parseInt(fault, 10), { "content-type": "text/html" });
    response.end("<!doctype html><title>Error 502 (Server Error)!!1</title><p>That’s an error.");
    return true;
  }
  const status = Number.parseInt(fault, 10);
  if (!(status >= 400)) return false;
  response.writeHead(status, { "content-type": "application/json; charset=UTF-8" });
  response.end(JSON.stringify(errorBody(status, fault, retryDelaySeconds)));
  return true;
}

const google = "type.googleapis.com/google.rpc";

function errorBody(status: number, fault: FaultName | null = null, retryDelaySeconds = 30): object {
  const words: Readonly<Record<number, string>> = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
  };
  const quota = (quotaId: string, quotaValue: string) => [
    {
      "@type": `${google}.QuotaFailure`,
      violations: [
        { quotaMetric: "generativelanguage.googleapis.com/generate_content_free_tier_requests", quotaId, quotaValue },
      ],
    },
    { "@type": `${google}.RetryInfo`, retryDelay: `${retryDelaySeconds}s` },
  ];
  const details: Partial<Record<FaultName, readonly object[]>> = {
    "429-minute": quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "15"),
    "429-day": quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "1000"),
    "429-zero": quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "0"),
    "400-key": [{ "@type": `${google}.ErrorInfo`, reason: "API_KEY_INVALID", domain: "googleapis.com" }],
    "400-field": [
      {
        "@type": `${google}.BadRequest`,
        fieldViolations: [{ field: "generation_config.temperature", description: "Unknown name" }],
      },
    ],
  };
  const detail = fault === null ? undefined : details[fault];
  return {
    error: {
      code: status,
      message: `Simulated ${fault ?? "failure"}.`,
      status: words[status] ?? "UNAVAILABLE",
      ...(detail === undefined ? {} : { details: detail }),
    },
  };
}
