import { installFromDebian, Missing, onPath } from "./packages.ts";

/** The path of promtool. Rejects with `Missing` where there is none to be had. */
export async function findPromtool(): Promise<string> {
  if (onPath("promtool") === null) await installFromDebian("prometheus").catch(() => {});
  const found = onPath("promtool");
  if (found === null) throw new Missing("There is no promtool to test with. Install it: apt-get install prometheus");
  return found;
}
