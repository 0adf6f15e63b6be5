import type { WebSocket } from "ws";
import type { Limits } from "../limits.ts";
import { count, type Report } from "../report.ts";
import type { Script } from "../script.ts";
import type { State } from "../world/state.ts";
import { botOf, type Identifications } from "./identify.ts";
import { makeOutbox } from "./outbox.ts";
import { guildCreatePayload } from "../world/guild-create.ts";
import { applicationPayload, userPayload } from "../world/payloads.ts";
import { intents } from "../world/events.ts";
import { shardOf } from "../world/snowflakes.ts";
import type { Link, Session, Sessions } from "./sessions.ts";
import { closeCode, op, readFrame, readIdentify, readResume, type Frame } from "./wire.ts";

export interface GatewayParts {
  readonly state: State;
  readonly limits: Limits;
  readonly report: Report;
  readonly script: Script;
  readonly sessions: Sessions;
  readonly identifications: Identifications;
  /** Which connection a session speaks through, for take-overs. */
  readonly owners: Map<Session, Connection>;
}

/** One socket: it says HELLO, watches the heartbeat, and carries at most one session. */
export interface Connection extends Link {
  readonly session: Session | null;
  close(code: number, reason?: string): void;
  /** The TCP connection is gone, without a close frame. */
  cut(): void;
  /** Half-open: nothing is sent and nothing is read any more, and the TCP connection stays until `cut`. */
  freeze(): void;
  /** Opcode 7. */
  askReconnect(): void;
  /** Opcode 9; without `resumable` the session is over. */
  invalidate(resumable: boolean): void;
  /** Any event, with the session's next number, or with this one and then not in a replay. */
  dispatch(event: RawEvent): void;
}

/** An event that the world does not know. */
export interface RawEvent {
  readonly t: string;
  readonly d: unknown;
  readonly s?: number;
}

export function serveConnection(socket: WebSocket, resumeUrl: string, parts: GatewayParts): Connection {
  const { state, limits, report, script, sessions, identifications, owners } = parts;
  const outbox = makeOutbox(state.now, (json) => void (frozen || socket.send(json)));
  let session: Session | null = null;
  let frozen = false;
  let closedByUs: number | null = null;
  let silence: NodeJS.Timeout | null = null;
  let sends: number[] = [];

  const say = (frame: { op: number; d: unknown }) => {
    if (!frozen) socket.send(JSON.stringify({ t: null, s: null, ...frame }));
  };
  const letGo = (keep: boolean) => {
    if (session === null) return;
    // Another connection may have taken it over.
    if (owners.get(session) === connection) {
      owners.delete(session);
      if (keep) sessions.detach(session);
      else sessions.end(session);
    }
    session = null;
  };
  const close = (code: number, reason = "") => {
    closedByUs ??= code;
    letGo(true);
    // Whoever is behind a dead network hears nothing of it.
    if (!frozen) socket.close(code, reason);
  };
  const invalidate = (resumable: boolean) => {
    letGo(resumable);
    say({ op: op.invalidSession, d: resumable });
  };
  const hold = (one: Session) => {
    session = one;
    owners.set(one, connection);
  };
  const expectHeartbeat = () => {
    if (silence !== null) clearTimeout(silence);
    const patienceMs = limits.heartbeatIntervalMs * 1.5;
    silence = setTimeout(() => close(closeCode.sessionTimedOut, "Session timed out."), patienceMs).unref();
  };
  /** True when a scripted fault took the place of the answer. */
  const failsLogin = (shard: number, bot: string): boolean => {
    const fault = script.gateway({ moment: "login", shard, bot });
    if (fault?.fault === "close") close(fault.code ?? closeCode.unknownError);
    if (fault?.fault === "invalid-session") invalidate(fault.resumable ?? false);
    return fault !== null;
  };

  const identify = (d: unknown) => {
    const asked = readIdentify(d);
    if (asked === null) return close(closeCode.decodeError, "Error while decoding payload.");
    const judgement = identifications.judge(asked);
    if ("close" in judgement) return close(judgement.close, judgement.reason);
    if ("invalid" in judgement) return say({ op: op.invalidSession, d: false });
    const { bot } = judgement;
    if (failsLogin(asked.shard[0], bot.id)) return;
    const fresh = sessions.open(bot, asked.shard, judgement.intents, connection);
    hold(fresh);
    const mine = [...state.guilds.values()].filter(
      (guild) => guild.members.has(bot.id) && shardOf(guild.id, asked.shard[1]) === asked.shard[0],
    );
    sessions.dispatch(fresh, "READY", {
      v: 10,
      user: { ...userPayload(bot), verified: true, mfa_enabled: true, email: null, flags: 0 },
      guilds: mine.map(({ id }) => ({ id, unavailable: true })),
      session_id: fresh.id,
      session_type: "normal",
      resume_gateway_url: resumeUrl,
      shard: asked.shard,
      application: applicationPayload(bot),
      private_channels: [],
    });
    report.readies += 1;
    if ((fresh.intents & intents.guilds) === 0) return;
    for (const guild of mine) {
      if (!guild.unavailable) sessions.dispatch(fresh, "GUILD_CREATE", guildCreatePayload(state, guild, bot.id));
    }
  };

  const resume = (d: unknown) => {
    const asked = readResume(d);
    if (asked === null) return close(closeCode.decodeError, "Error while decoding payload.");
    report.resumes += 1;
    const refuse = (reason: string) => {
      report.refusedResumes.push({ at: state.now(), sessionId: asked.sessionId, reason });
    };
    const bot = botOf(state, asked.token);
    const found = sessions.all.get(asked.sessionId);
    if (bot === null) {
      refuse("bad token");
      return close(closeCode.authenticationFailed, "Authentication failed.");
    }
    if (failsLogin(found?.shard[0] ?? 0, bot.id)) return refuse("scripted");
    const oldest = found?.events[0]?.seq ?? 1;
    if (found === undefined || found.bot !== bot || !found.resumable || asked.seq < oldest - 1) {
      refuse(found === undefined ? "unknown or expired session" : "not resumable");
      return invalidate(false);
    }
    if (asked.seq > found.seq) {
      refuse(`sequence ${asked.seq} is ahead of ${found.seq}`);
      return close(closeCode.invalidSequence, "Invalid seq.");
    }
    const owner = owners.get(found);
    hold(found);
    if (owner !== undefined && owner !== connection) {
      report.takeOvers += 1;
      owner.close(closeCode.unknownError, "Session taken over.");
    }
    sessions.replay(found, asked.seq, connection);
    sessions.dispatch(found, "RESUMED", { _trace: ["simulator"] }, false);
    report.resumeds += 1;
    return undefined;
  };

  const answer = ({ op: code, d }: Frame) => {
    if (code === op.heartbeat) {
      report.heartbeats += 1;
      expectHeartbeat();
      return say({ op: op.heartbeatAck, d: null });
    }
    const logsIn = code === op.identify || code === op.resume;
    if (logsIn && session !== null) return close(closeCode.alreadyAuthenticated, "Already authenticated.");
    if (code === op.identify) return identify(d);
    if (code === op.resume) return resume(d);
    const ignored: readonly number[] = [op.presenceUpdate, op.voiceStateUpdate, op.requestGuildMembers];
    if (!ignored.includes(code)) return close(closeCode.unknownOpcode, "Unknown opcode.");
    if (session === null) return close(closeCode.notAuthenticated, "Not authenticated.");
    return undefined;
  };

  const connection: Connection = {
    get session() {
      return session;
    },
    send: (json, delayMs) => outbox.send(json, delayMs),
    close,
    cut: () => {
      closedByUs = 1006;
      letGo(true);
      socket.terminate();
    },
    freeze: () => {
      frozen = true;
      socket.pause();
    },
    askReconnect: () => say({ op: op.reconnect, d: null }),
    dispatch: ({ t, d, s }) => {
      if (session === null) return;
      if (s === undefined) sessions.dispatch(session, t, d);
      else outbox.send(JSON.stringify({ op: op.dispatch, t, s, d }), 0);
    },
    invalidate,
  };

  socket.on("message", (data) => {
    const text = (data as Buffer).toString("utf8");
    const now = state.now();
    sends = [...sends.filter((at) => at > now - 60_000), now];
    if (sends.length > limits.sendsPerMinute) {
      report.rateViolations.gatewaySends += 1;
      return close(closeCode.rateLimited, "You are being rate limited.");
    }
    const frame = text.length > 4096 ? null : readFrame(text);
    if (frame === null) return close(closeCode.decodeError, "Error while decoding payload.");
    return closedByUs === null ? answer(frame) : undefined;
  });
  socket.on("close", (code) => {
    if (silence !== null) clearTimeout(silence);
    outbox.close();
    report.liveSockets -= 1;
    count(closedByUs === null ? report.closesByClient : report.closesByServer, closedByUs ?? code);
    letGo(code !== 1000 && code !== 1001);
  });
  // A reset by the peer is followed by "close".
  socket.on("error", () => undefined);
  report.connections += 1;
  report.liveSockets += 1;
  if (script.gateway({ moment: "hello" }) !== null) return connection;
  expectHeartbeat();
  say({ op: op.hello, d: { heartbeat_interval: limits.heartbeatIntervalMs, _trace: ["simulator"] } });
  return connection;
}
