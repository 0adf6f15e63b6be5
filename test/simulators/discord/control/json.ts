import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

/** Maps become objects, sets lists and big integers strings. */
function toJson(value: unknown): string {
  return JSON.stringify(value ?? null, (_, one: unknown) => {
    if (one instanceof Map) return Object.fromEntries(one) as unknown;
    if (one instanceof Set) return [...(one as Set<unknown>)];
    return typeof one === "bigint" ? String(one) : one;
  });
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  response.end(toJson(value));
}

/** The body as JSON; an empty object when there is none. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const raw = await text(request);
  return raw === "" ? {} : (JSON.parse(raw) as unknown);
}
