import type { HearingOptions } from "../../src/gateway/hearing.ts";
import { extendRemembered, forgetDeleted, forgetEdited, forgetPlace } from "../../src/privacy.ts";

/** As the product brings deletions and edits to memory, where there is no hot memory. */
export const revise: HearingOptions["revise"] = {
  forget: forgetDeleted,
  forgetPlace,
  reword: forgetEdited,
  extend: extendRemembered,
  drop: async () => {},
};
