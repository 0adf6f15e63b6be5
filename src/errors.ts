/** What becomes of a turn that met this error. */
export type Disposition =
  /** Worth another try after `afterMs` milliseconds. */
  | { readonly kind: "retry"; readonly afterMs: number }
  /** Will never work: recorded with its reason, and the person gets an apology with a reference. */
  | { readonly kind: "bury" }
  /** Will never work, and `sentence` tells the person why in plain words. */
  | { readonly kind: "apologise"; readonly sentence: string };

/**
 * An error somebody thought about. `message` is for operators: it names the cause and the remedy and holds no secret and
 * no message text. Anything thrown that is not a ForeseenError is a bug.
 */
export class ForeseenError extends Error {
  override readonly name: string = "ForeseenError";
  /** A stable word for logs, metrics and troubleshooting pages, such as `model_unavailable`. */
  readonly code: string;
  readonly disposition: Disposition;

  constructor(code: string, message: string, disposition: Disposition, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.disposition = disposition;
  }
}

/** Whether the same may go well another time, without anybody changing anything. */
export function mayPass(error: unknown): error is ForeseenError {
  return error instanceof ForeseenError && error.disposition.kind === "retry";
}

/** One thing wrong with something from outside: where, what, and what to do about it. */
export interface Fault {
  /** `LOG_LEVEL`, or `agents.yaml:14 spec.handoffs[0]`. */
  readonly where: string;
  /** What is wrong with the value; the value itself only when it cannot be a secret. */
  readonly problem: string;
  readonly remedy: string;
}

/** The process cannot run as it was configured; it exits 78 (EX_CONFIG) after naming every fault. */
export class Misconfigured extends Error {
  override readonly name = "Misconfigured";
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(faults.map((fault) => `${fault.where}: ${fault.problem}. ${fault.remedy}`).join("\n"));
    this.faults = faults;
  }
}

/** The one way to read a caught value as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
