import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Faults } from "../faults.ts";
import type { Report } from "../report.ts";
import type { Fault } from "../script.ts";
import type { Saying, World } from "../world/world.ts";
import { readJson, sendJson } from "./json.ts";
import { makeNames, type Names } from "./names.ts";
import { viewOf } from "./view.ts";

export interface ControlParts {
  readonly world: World;
  readonly faults: Faults;
  readonly report: () => Report;
}

type Fields = Readonly<Record<string, unknown>>;

/** A deed with names instead of ids; what else the world's own function takes may be given too. */
type Deed = (
  parts: ControlParts,
  names: Names,
  body: Fields & { readonly as?: string; readonly channel?: string },
) => unknown;

const deeds: Readonly<Record<string, Deed>> = {
  say: ({ world }, names, body) => {
    const author = names.user(String(body.as));
    return world.say({ ...body, author, channel: names.channel(String(body.channel), author) } as unknown as Saying);
  },
  edit: ({ world }, _, body) => world.edit(String(body["message"]), String(body["text"])),
  delete: ({ world }, _, body) => world.delete(String(body["message"])),
  react: ({ world }, names, body) =>
    world.react(String(body["message"]), names.user(String(body.as)), String(body["emoji"])),
  type: ({ world }, names, body) => {
    const user = names.user(String(body.as));
    world.type(names.channel(String(body.channel), user), user);
  },
  interact: ({ world }, names, body) => {
    const user = names.user(String(body.as));
    return world.interact({ ...body, user, channel: names.channel(String(body.channel), user) });
  },
  faults: ({ faults }, _, body) => {
    faults.add(...([body].flat() as unknown as Fault[]));
    return faults.pending();
  },
  /** Any function of the world or of the faults, with its arguments; or a list of such calls. */
  call: (parts, names, body) => {
    if (Array.isArray(body)) return body.map((one: Fields) => deeds["call"]?.(parts, names, one));
    const { world, faults } = parts;
    const { on, method, args = [] } = body as { on?: string; method?: string; args?: readonly unknown[] };
    const target = (on === "faults" ? faults : world) as unknown as Fields;
    const deed = Object.hasOwn(target, method ?? "") ? target[method ?? ""] : undefined;
    if (typeof deed !== "function") throw new Error(`${on ?? "world"} has no function called ${method}`);
    return (deed as (...given: readonly unknown[]) => unknown)(...args);
  },
};

/** Answers everything under /control, and the page at /; false for any other path. */
export function makeControl(parts: ControlParts) {
  const names = makeNames(parts.world);
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const url = new URL(request.url ?? "/", "http://simulator");
    if (url.pathname === "/") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
      response.end(await readFile(new URL("page.html", import.meta.url)));
      return true;
    }
    const [, section, what = ""] = url.pathname.split("/");
    if (section !== "control") return false;
    try {
      const deed = Object.hasOwn(deeds, what) && request.method === "POST" ? deeds[what] : undefined;
      const body = deed === undefined ? {} : await readJson(request);
      const result =
        deed === undefined ? read(parts, names, what, url.searchParams) : deed(parts, names, body as Fields);
      if (result === unknownPath)
        sendJson(response, 404, {
          error: `POST ${Object.keys(deeds).join(", ")}; GET world, messages, report, faults, view`,
        });
      else sendJson(response, 200, result);
    } catch (error) {
      sendJson(response, 400, { error: error instanceof Error ? error.message : String(error) });
    }
    return true;
  };
}

const unknownPath = Symbol("unknown");

function read(parts: ControlParts, names: Names, what: string, query: URLSearchParams): unknown {
  const { world, faults, report } = parts;
  const channel = () =>
    names.channel(query.get("channel") ?? "", query.has("as") ? names.user(query.get("as") ?? "") : null);
  if (what === "world") return world.everything();
  if (what === "messages") return world.messages(channel(), { deleted: query.get("deleted") === "true" });
  if (what === "report") return report();
  if (what === "faults") return faults.pending();
  if (what === "view") return viewOf(world, names.user(query.get("as") ?? ""), query.get("channel"));
  return unknownPath;
}
