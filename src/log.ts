import { pino, type DestinationStream, type Logger as PinoLogger } from "pino";

export type Logger = PinoLogger;
export type { DestinationStream };
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Field names that never reach a log, wherever they stand. Message text has no field of its own, and so no entry here. */
const secretFields = ["token", "apiKey", "password", "authorization", "secret", "connectionString", "url"];

/**
 * One JSON object a line, on `stream` (standard error unless told otherwise). Callers pass ids, counts and timings;
 * message text is never a field and never part of a sentence. The fields of `place` stand in every line.
 */
export function makeLogger(
  level: LogLevel,
  stream: DestinationStream,
  place: Readonly<Record<string, unknown>> = {},
): Logger {
  return pino(
    {
      level,
      base: Object.keys(place).length === 0 ? null : place,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: "[secret]" },
    },
    stream,
  );
}
