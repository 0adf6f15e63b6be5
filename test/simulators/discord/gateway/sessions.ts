import { randomBytes } from "node:crypto";
import type { Limits } from "../limits.ts";
import { count, type Report } from "../report.ts";
import type { Script } from "../script.ts";
import type { Deliver } from "../world/events.ts";
import type { Bot } from "../world/records.ts";
import { shardOf } from "../world/snowflakes.ts";
import { op } from "./wire.ts";

/** The socket a session speaks through. */
export interface Link {
  /** In order, also when an earlier one was delayed. */
  send(json: string, delayMs: number): void;
}

/** Events in one order for one shard of one bot; it outlives its socket for a while. */
export interface Session {
  readonly id: string;
  readonly bot: Bot;
  readonly shard: readonly [number, number];
  readonly intents: number;
  /** Of the last event. */
  seq: number;
  /** What a resume may replay. RESUMED takes a number and is not kept. */
  readonly events: { readonly seq: number; readonly json: string }[];
  link: Link | null;
  /** False after `expire`: it goes on, but once its socket is gone it is over. */
  resumable: boolean;
  expiry: NodeJS.Timeout | null;
}

export interface Sessions {
  readonly all: ReadonlyMap<string, Session>;
  open(bot: Bot, shard: readonly [number, number], intents: number, link: Link): Session;
  /** Sends an event to this session alone; not kept for a resume when `keep` is false. */
  dispatch(session: Session, name: string, data: unknown, keep?: boolean): void;
  /** Sends everything after `seq` again and gives the session to the new link. */
  replay(session: Session, seq: number, link: Link): void;
  /** The socket is gone; events are kept until the session is resumed or its time is over. */
  detach(session: Session): void;
  end(session: Session): void;
  readonly deliver: Deliver;
}

export function makeSessions(limits: Limits, script: Script, report: Report): Sessions {
  const all = new Map<string, Session>();

  const end = (session: Session) => {
    if (session.expiry !== null) clearTimeout(session.expiry);
    session.link = null;
    if (all.delete(session.id)) report.sessionsEnded += 1;
    report.sessions = all.size;
  };

  const number = (session: Session, name: string, data: unknown, keep: boolean): string => {
    session.seq += 1;
    const json = JSON.stringify({ t: name, s: session.seq, op: op.dispatch, d: data });
    if (keep) session.events.push({ seq: session.seq, json });
    if (session.events.length > limits.sessionEvents) session.events.splice(0, session.events.length / 2);
    count(report.dispatched, name);
    return json;
  };

  const dispatch = (session: Session, name: string, data: unknown, keep = true) => {
    const json = number(session, name, data, keep);
    const fault = script.gateway({ moment: "dispatch", shard: session.shard[0], bot: session.bot.id, event: name });
    if (fault?.fault === "lose") return;
    session.link?.send(json, fault?.fault === "delay" ? (fault.delayMs ?? 0) : 0);
    if (fault?.fault !== "duplicate") return;
    session.link?.send(fault.sameSequence === true ? json : number(session, name, data, keep), 0);
  };

  return {
    all,
    open: (bot, shard, intents, link) => {
      const id = randomBytes(16).toString("hex");
      const session: Session = { id, bot, shard, intents, seq: 0, events: [], link, resumable: true, expiry: null };
      all.set(id, session);
      report.sessions = all.size;
      return session;
    },
    dispatch,
    replay: (session, seq, link) => {
      if (session.expiry !== null) clearTimeout(session.expiry);
      session.expiry = null;
      session.link = link;
      for (const event of session.events) {
        if (event.seq <= seq) continue;
        report.replayed += 1;
        link.send(event.json, 0);
      }
    },
    detach: (session) => {
      session.link = null;
      if (!session.resumable) return end(session);
      if (session.expiry !== null) clearTimeout(session.expiry);
      session.expiry = setTimeout(() => end(session), limits.sessionKeepMs).unref();
    },
    end,
    deliver: (event) => {
      for (const session of all.values()) {
        const [shard, shards] = session.shard;
        if (shard !== (event.guildId === null ? 0 : shardOf(event.guildId, shards))) continue;
        if ((event.intent & ~session.intents) !== 0 || !event.concerns(session.bot)) continue;
        dispatch(session, event.name, event.data(session.bot, session.intents));
      }
    },
  };
}
