import { count, type Report } from "./report.ts";

/** One thing Discord does wrong with a request over REST. The first that fits is used, `times` times. */
export interface RestFault {
  readonly on: "rest";
  readonly fault:
    | "status"
    | "html"
    | "429"
    | "error"
    | "drop"
    | "act-then-drop"
    | "hang"
    | "act-then-hang"
    | "delay"
    | "act-then-delay";
  readonly method?: string;
  /** A regular expression over the path behind /api/v10, such as "^/channels/\\d+/messages$". */
  readonly path?: string;
  /** Fits only requests whose raw body contains this text. */
  readonly when?: string;
  /** The id of the bot whose token came along. */
  readonly bot?: string;
  /** 1 unless told otherwise; null for ever. */
  readonly times?: number | null;
  /** Of "status" (503), "html" (502) and "error" (403). */
  readonly status?: number;
  /** Of "error", such as 50013. */
  readonly code?: number;
  readonly message?: string;
  /** Of "429"; "user" unless told otherwise. */
  readonly scope?: "user" | "global" | "shared";
  readonly retryAfterSeconds?: number;
  /** Of "delay" and "act-then-delay"; null: until `release`. */
  readonly delayMs?: number | null;
}

/** One thing the gateway does wrong: to a connection, in answer to IDENTIFY or RESUME, or with an event. */
interface GatewayFault {
  readonly on: "gateway";
  readonly fault: ConnectFault | LoginFault | DispatchFault;
  readonly shard?: number;
  readonly bot?: string;
  readonly times?: number | null;
  /** Of "close" and "close-before-hello"; 4000 unless told otherwise. */
  readonly code?: number;
  /** Of "invalid-session". */
  readonly resumable?: boolean;
  /** Of "delay", "duplicate" and "lose", which sends it in a replay alone: only this event, such as MESSAGE_CREATE. */
  readonly event?: string;
  readonly delayMs?: number;
  /** Of "duplicate": the copy has the same sequence number instead of the next. */
  readonly sameSequence?: boolean;
}

type ConnectFault = "refuse" | "refuse-503" | "close-before-hello" | "no-hello";
type LoginFault = "no-ready" | "invalid-session" | "close";
type DispatchFault = "delay" | "duplicate" | "lose";
export type Fault = RestFault | GatewayFault;

const moments = {
  refuse: new Set<string>(["refuse", "refuse-503"]),
  "before-hello": new Set<string>(["close-before-hello"]),
  hello: new Set<string>(["no-hello"]),
  login: new Set<string>(["no-ready", "invalid-session", "close"]),
  dispatch: new Set<string>(["delay", "duplicate", "lose"]),
} as const;

interface RestMoment {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly bot: string | null;
}

interface GatewayMoment {
  readonly moment: keyof typeof moments;
  readonly shard?: number;
  readonly bot?: string;
  readonly event?: string;
}

/** The scripted faults that are still to come. */
export interface Script {
  add(...faults: readonly Fault[]): void;
  clear(): void;
  pending(): Fault[];
  rest(request: RestMoment): RestFault | null;
  gateway(moment: GatewayMoment): GatewayFault | null;
  /** Does this at `release`. */
  hold(go: () => void): void;
  /** Lets go of what is held back, and returns how much it was. */
  release(): number;
}

export function makeScript(report: Report): Script {
  let queue: { readonly fault: Fault; left: number }[] = [];
  let held: (() => void)[] = [];
  const take = <T extends Fault>(fits: (fault: Fault) => fault is T): T | null => {
    for (const entry of queue) {
      const { fault } = entry;
      if (!fits(fault)) continue;
      entry.left -= 1;
      if (entry.left <= 0) queue = queue.filter((one) => one !== entry);
      count(report.faultsUsed, `${fault.on} ${fault.fault}`);
      return fault;
    }
    return null;
  };
  return {
    add: (...faults) => {
      for (const fault of faults) queue.push({ fault, left: fault.times === null ? Infinity : (fault.times ?? 1) });
    },
    clear: () => {
      queue = [];
    },
    pending: () => queue.map(({ fault }) => fault),
    hold: (go) => void held.push(go),
    release: () => {
      const going = held;
      held = [];
      for (const go of going) go();
      return going.length;
    },
    rest: ({ method, path, body, bot }) =>
      take(
        (fault): fault is RestFault =>
          fault.on === "rest" &&
          (fault.method ?? method) === method &&
          (fault.bot ?? bot) === bot &&
          new RegExp(fault.path ?? "", "u").test(path) &&
          body.includes(fault.when ?? ""),
      ),
    gateway: ({ moment, shard, bot, event }) =>
      take(
        (fault): fault is GatewayFault =>
          fault.on === "gateway" &&
          moments[moment].has(fault.fault) &&
          (fault.shard ?? shard) === shard &&
          (fault.bot ?? bot) === bot &&
          (fault.event ?? event) === event,
      ),
  };
}
