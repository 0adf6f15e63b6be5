import { pino } from "pino";
import { makeNotices } from "../../src/connections/notices.ts";

/** Options of an inbox that makes its own queue and calls no other process. */
export const byItself = {
  notices: makeNotices({ url: null, role: "worker", log: pino({ level: "silent" }) }),
  migrates: true,
} as const;
