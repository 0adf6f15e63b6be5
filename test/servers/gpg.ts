import { installFromDebian, Missing, onPath } from "./packages.ts";

/** The path of gpg. Rejects with `Missing` where there is none to be had. */
export async function findGpg(): Promise<string> {
  if (onPath("gpg") === null) await installFromDebian("gnupg").catch(() => {});
  const found = onPath("gpg");
  if (found === null) throw new Missing("There is no gpg to test with. Install it: apt-get install gnupg");
  return found;
}
