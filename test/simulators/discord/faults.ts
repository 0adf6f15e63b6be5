import type { RawEvent } from "./gateway/connection.ts";
import type { Gateway, Which } from "./gateway/gateway.ts";
import type { Fault, Script } from "./script.ts";
import type { Ref } from "./world/records.ts";
import type { State } from "./world/state.ts";

/** What Discord can do wrong: scripted for later, or at once. Those at once return how many connections they met. */
export interface Faults {
  /** The first that fits is used, as often as it says. */
  add(...faults: Fault[]): void;
  /** Forgets what was added; what was done at once stays done. */
  clear(): void;
  pending(): Fault[];
  /** Lets go of what a "delay" without an end holds back, and returns how many requests those were. */
  release(): number;

  /** Closes with this code; the session can be resumed. */
  close(code: number, which?: Which): number;
  /** The TCP connection is gone without a close frame. */
  cut(which?: Which): number;
  /** Half-open: nothing is sent or read any more, not even heartbeats or a close, and the TCP connection stays until `cut`. */
  freeze(which?: Which): number;
  /** Opcode 7. */
  askReconnect(which?: Which): number;
  /** Opcode 9. */
  invalidate(resumable: boolean, which?: Which): number;
  /** Sends any event: with the session's next number, or with `s` as one that comes once. */
  dispatch(event: RawEvent, which?: Which): number;
  /** Every RESUME of a session that exists now will be refused; those connected go on until their socket is gone. */
  expireSessions(): number;
  /** 4004 on every socket, 401 on every request. */
  revokeToken(bot: Ref, reason?: string): void;
  restoreToken(bot: Ref): void;
  /** Cuts everything and resets every new connection, REST too, for so long or until `comeBack`. */
  goAway(forMs?: number): void;
  comeBack(): void;
}

/** The faults, and whether the simulator is away. */
export interface FaultSwitches {
  readonly faults: Faults;
  readonly isAway: () => boolean;
}

export function makeFaults(state: State, gateway: Gateway, script: Script): FaultSwitches {
  let away = false;
  const each = (which: Which | undefined, act: (connection: ReturnType<Gateway["connections"]>[number]) => void) => {
    const met = gateway.connections(which);
    for (const connection of met) act(connection);
    return met.length;
  };
  const faults: Faults = {
    add: (...added) => script.add(...added),
    clear: () => script.clear(),
    pending: () => script.pending(),
    release: () => script.release(),
    close: (code, which) => each(which, (connection) => connection.close(code)),
    cut: (which) => each(which, (connection) => connection.cut()),
    freeze: (which) => each(which, (connection) => connection.freeze()),
    askReconnect: (which) => each(which, (connection) => connection.askReconnect()),
    invalidate: (resumable, which) => each(which, (connection) => connection.invalidate(resumable)),
    dispatch: (event, which) => each(which, (connection) => connection.dispatch(event)),
    expireSessions: () => gateway.expireSessions(),
    revokeToken: (bot, reason = "revoked") => {
      const found = state.bot(bot);
      found.revoked = reason;
      gateway.expel(found);
    },
    restoreToken: (bot) => {
      state.bot(bot).revoked = null;
    },
    goAway: (forMs) => {
      away = true;
      faults.cut();
      if (forMs !== undefined) setTimeout(() => faults.comeBack(), forMs).unref();
    },
    comeBack: () => {
      away = false;
    },
  };
  return { faults, isAway: () => away };
}
