import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Limits } from "../limits.ts";
import { count, type Report } from "../report.ts";
import type { Script } from "../script.ts";
import type { Deliver } from "../world/events.ts";
import type { Bot, Ref } from "../world/records.ts";
import { idOf, type State } from "../world/state.ts";
import { serveConnection, type Connection } from "./connection.ts";
import { makeIdentifications, type Identifications } from "./identify.ts";
import { makeSessions, type Sessions } from "./sessions.ts";
import { closeCode } from "./wire.ts";

/** Which connections are meant; every one of them when both are left out. */
export interface Which {
  readonly shard?: number;
  readonly bot?: Ref;
}

export interface Gateway {
  readonly deliver: Deliver;
  readonly sessions: Sessions;
  startLimit: Identifications["startLimit"];
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** The live connections that are meant. */
  connections(which?: Which): Connection[];
  /** Closes what this bot has with 4004 and ends its sessions. */
  expel(bot: Bot): void;
  /** No session that exists now can be resumed any more; returns how many there are. */
  expireSessions(): number;
  close(): void;
}

/** Serves the gateway's sockets; the HTTP server hands them over. */
export function makeGateway(state: State, limits: Limits, report: Report, script: Script): Gateway {
  const server = new WebSocketServer({ noServer: true });
  const sessions = makeSessions(limits, script, report);
  const identifications = makeIdentifications(state, limits, report);
  const parts = { state, limits, report, script, sessions, identifications, owners: new Map() };
  const live = new Set<Connection>();

  const connections = ({ shard, bot }: Which = {}) =>
    [...live].filter(({ session }) => {
      if (shard !== undefined && session?.shard[0] !== shard) return false;
      return bot === undefined || session?.bot.id === idOf(bot);
    });

  return {
    deliver: sessions.deliver,
    sessions,
    startLimit: (bot) => identifications.startLimit(bot),
    upgrade: (request, socket, head) => {
      socket.on("error", () => undefined);
      const url = new URL(request.url ?? "/", "http://simulator");
      const refused = script.gateway({ moment: "refuse" });
      if (refused !== null || !url.pathname.startsWith("/gateway")) {
        count(report.closesByServer, "refused");
        if (refused?.fault === "refuse") socket.destroy();
        else socket.end(`HTTP/1.1 ${refused === null ? 404 : 503} Refused\r\nConnection: close\r\n\r\n`);
        return;
      }
      server.handleUpgrade(request, socket, head, (ws) => {
        const early = script.gateway({ moment: "before-hello" });
        const version = url.searchParams.get("v") ?? "10";
        if (early !== null || version !== "10") {
          const code = early === null ? closeCode.invalidVersion : (early.code ?? closeCode.unknownError);
          count(report.closesByServer, code);
          ws.on("error", () => undefined);
          return ws.close(code);
        }
        const connection = serveConnection(ws, `ws://${request.headers.host}/gateway/resume`, parts);
        live.add(connection);
        ws.once("close", () => live.delete(connection));
        return undefined;
      });
    },
    connections,
    expel: (bot) => {
      for (const connection of connections({ bot }))
        connection.close(closeCode.authenticationFailed, "Authentication failed.");
      for (const session of sessions.all.values()) if (session.bot === bot) sessions.end(session);
    },
    expireSessions: () => {
      const existing = [...sessions.all.values()];
      for (const session of existing) {
        session.resumable = false;
        if (session.link === null) sessions.end(session);
      }
      return existing.length;
    },
    close: () => {
      for (const client of server.clients) client.terminate();
      for (const session of sessions.all.values()) sessions.end(session);
      server.close();
    },
  };
}
