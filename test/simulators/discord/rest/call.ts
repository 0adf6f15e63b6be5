import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Limits } from "../limits.ts";
import type { Report } from "../report.ts";
import type { Gateway } from "../gateway/gateway.ts";
import type { Fields, Message } from "../world/message.ts";
import type { FileDraft } from "../world/posting.ts";
import type { Bot } from "../world/records.ts";
import type { State } from "../world/state.ts";
import { ApiError, refusals } from "./api-error.ts";

/** What every route works with. */
export interface Desk {
  readonly state: State;
  readonly limits: Limits;
  readonly report: Report;
  readonly gateway: Gateway;
  /** "author nonce" to the message that has it. */
  readonly nonces: Map<string, Message>;
}

/** One request on its way to its route. */
export interface Call extends Desk {
  /** The ids in the path, by the names the route gives them. */
  readonly at: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Fields;
  readonly files: readonly FileDraft[];
  /** Null on routes that carry their own token. */
  readonly caller: Bot | null;
  /** The same, for routes that need one. */
  readonly bot: Bot;
  readonly host: string;
}

/** Undefined: 204 without a content type. */
export interface Reply {
  readonly status?: number;
  readonly body?: unknown;
}

export interface Route {
  readonly method: string;
  /** Such as "/channels/:channel/messages". */
  readonly path: string;
  /** Works without "Authorization: Bot …" and does not count towards the global limit. */
  readonly open?: boolean;
  readonly answer: (call: Call) => Reply | undefined;
}

export interface RawRequest {
  readonly raw: string;
  readonly body: Fields;
  readonly files: FileDraft[];
}

/** Reads JSON, or a form with `payload_json` and `files[n]`. */
export async function readBody(request: IncomingMessage): Promise<RawRequest> {
  const bytes = await buffer(request);
  const type = request.headers["content-type"] ?? "";
  if (bytes.length === 0) return { raw: "", body: {}, files: [] };
  const raw = bytes.toString("utf8");
  if (!type.startsWith("multipart/form-data")) return { raw, body: parse(raw), files: [] };
  const form = await new Response(bytes, { headers: { "content-type": type } }).formData();
  const files: FileDraft[] = [];
  let body: Fields = {};
  for (const [name, value] of form) {
    if (name === "payload_json") body = parse(typeof value === "string" ? value : await value.text());
    else if (typeof value !== "string") {
      const base64 = Buffer.from(await value.arrayBuffer()).toString("base64");
      files.push({ name: value.name, contentType: value.type, base64 });
    }
  }
  return { raw, body, files };
}

function parse(json: string): Fields {
  try {
    const value: unknown = JSON.parse(json);
    // A bulk overwrite of commands is a list.
    if (typeof value === "object" && value !== null) return value as Fields;
  } catch {
    // Refused below.
  }
  throw new ApiError(400, 50109, "The request body contains invalid JSON.");
}

export function needBot(caller: Bot | null): Bot {
  if (caller === null) throw refusals.unauthorized();
  return caller;
}
