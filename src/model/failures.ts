import { ForeseenError } from "../errors.ts";
import { nextPacificMidnight } from "../resilience/pacific-day.ts";

/** The provider's limit is used up; `limit` says which. */
export class ModelQuota extends ForeseenError {
  override readonly name = "ModelQuota";
  readonly limit: "minute" | "day";
  /** `provider`: a call went out and was refused. `count`: our own count foresaw it, and none went out. */
  readonly source: "provider" | "count";

  constructor(limit: "minute" | "day", afterMs: number, source: "provider" | "count") {
    const seconds = Math.ceil(afterMs / 1000);
    super("model_quota", `The model's limit of requests per ${limit} is used up; it is free again in ${seconds} s`, {
      kind: "retry",
      afterMs,
    });
    this.limit = limit;
    this.source = source;
  }
}

/** The provider did not do its part, and may the next time. */
export function modelUnavailable(problem: string, afterMs = 5_000): ForeseenError {
  return new ForeseenError("model_unavailable", `The model is unavailable: ${problem}`, { kind: "retry", afterMs });
}

/** The provider will refuse every such call until somebody changes something. */
export function modelMisconfigured(problem: string, remedy: string): ForeseenError {
  return new ForeseenError("model_misconfigured", `The model refuses the call: ${problem}. ${remedy}`, {
    kind: "bury",
  });
}

/** The caller's time was over before the model had answered. */
export function modelDeadline(): ForeseenError {
  return new ForeseenError("model_deadline", "The time for this call was over before the model had answered", {
    kind: "retry",
    afterMs: 1_000,
  });
}

/** Whether an error speaks against the provider's health: what `gemini_api` counts. Quotas and refusals do not. */
export function isModelFailure(error: unknown): boolean {
  return error instanceof ForeseenError && error.code === "model_unavailable";
}

/** Reads a refusal, an HTTP status or the `code` of an error event, with the `details` Google sent along. */
export function readRefusal(status: number, message: string, details: unknown, nowMs: number): ForeseenError {
  const detail = readDetails(details);
  if (status === 429) return readQuota(message, detail, nowMs);
  if (status === 401 || status === 403 || detail.reason === "API_KEY_INVALID" || /API key/i.test(message)) {
    return modelMisconfigured(
      `the key was not accepted (HTTP ${status}${suffix(detail.reason)})`,
      "Set GEMINI_API_KEY to a key that may use this API: https://aistudio.google.com/apikey",
    );
  }
  if (status === 404) {
    return modelMisconfigured(
      "it does not know this model (HTTP 404)",
      "Set GEMINI_MODEL or EMBEDDING_MODEL to a current model",
    );
  }
  if (status >= 500 || status === 408 || status === 499) {
    return modelUnavailable(`the API answered ${status}`, detail.retryMs ?? 5_000);
  }
  // Google's own words may quote the prompt, so only the names of the fields it complains about are kept.
  return modelMisconfigured(
    `it calls the request invalid (HTTP ${status}${suffix(detail.reason ?? detail.fields.join(", "))})`,
    "Check GEMINI_MODEL and the agent's model settings",
  );
}

function readQuota(message: string, detail: Details, nowMs: number): ForeseenError {
  if (detail.quotaValues.includes("0") || /limit: 0\b/.test(message)) {
    return modelMisconfigured(
      "this project has no quota for this model (limit 0)",
      "Choose another GEMINI_MODEL or EMBEDDING_MODEL, or enable billing for the project of GEMINI_API_KEY",
    );
  }
  // Google sends a retryDelay of seconds even when the day is used up.
  const perDay = detail.quotaIds.some((id) => /PerDay/i.test(id));
  return perDay
    ? new ModelQuota("day", nextPacificMidnight(nowMs) - nowMs, "provider")
    : new ModelQuota("minute", detail.retryMs ?? 10_000, "provider");
}

interface Details {
  readonly retryMs: number | null;
  readonly quotaIds: readonly string[];
  readonly quotaValues: readonly string[];
  readonly reason: string | null;
  readonly fields: readonly string[];
}

function readDetails(details: unknown): Details {
  const entries = Array.isArray(details) ? details.filter(isRecord) : [];
  const violations = (kind: string) =>
    entries
      .filter((entry) => String(entry["@type"]).endsWith(kind))
      .flatMap((entry) => entry["violations"] ?? entry["fieldViolations"] ?? [])
      .filter(isRecord);
  const quota = violations("QuotaFailure");
  const delay = entries.map((entry) => entry["retryDelay"]).find((value) => typeof value === "string");
  const retryMs = delay === undefined ? Number.NaN : Number.parseFloat(delay) * 1000;
  return {
    retryMs: Number.isFinite(retryMs) ? Math.ceil(retryMs) : null,
    quotaIds: quota.map((violation) => textOf(violation["quotaId"])),
    quotaValues: quota.map((violation) => textOf(violation["quotaValue"])),
    reason: entries.map((entry) => entry["reason"]).find(isWord) ?? null,
    fields: violations("BadRequest")
      .map((violation) => violation["field"])
      .filter(isWord),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && /^[\w.[\]]{1,80}$/.test(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function suffix(word: string | null): string {
  return word === null || word === "" ? "" : `, ${word}`;
}

/** The process stops, and nobody waits for the model any more; the turn is put back at once. */
export function stopping(): ForeseenError {
  return new ForeseenError("stopping", "The process stops", { kind: "retry", afterMs: 0 });
}
