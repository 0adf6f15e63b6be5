import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Misconfigured } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";

const lookEveryMs = 5_000;
const maxBytes = 65_536;
/** Names of variables; a mounted Secret has links beside them that begin with two dots. */
const variableName = /^[A-Z][A-Z0-9_]*$/;

/** The variables that files of the folder hold, by their names. Throws Misconfigured for a folder or a file that cannot be read. */
export function readSecretFiles(folder: string): Readonly<Record<string, string>> {
  const unreadable = (where: string, error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    const [problem, remedy] =
      code === "ENOENT"
        ? [`${where} is not there`, "Mount the Secret there, or unset SECRETS_DIR"]
        : [`${where} cannot be read (${code ?? "unknown"})`, "Make it readable for the user of this process"];
    return new Misconfigured([{ where: "SECRETS_DIR", problem, remedy }]);
  };
  const names = (() => {
    try {
      return readdirSync(folder).filter((name) => variableName.test(name));
    } catch (error) {
      throw unreadable(folder, error);
    }
  })();
  return Object.fromEntries(
    names.map((name) => {
      try {
        return [name, readFileSync(join(folder, name), "utf8").slice(0, maxBytes).trim()];
      } catch (error) {
        throw unreadable(join(folder, name), error);
      }
    }),
  );
}

interface SecretWatchOptions {
  readonly folder: string;
  /** What the process was configured from; what is there at the start may be newer. */
  readonly given: Readonly<Record<string, string>>;
  readonly onChange: () => void;
  readonly log: Logger;
}

/** Looks at the folder every five seconds and calls back, once, when a variable in it came, went or changed since it was given. */
export function watchSecretFiles({ folder, given, onChange, log }: SecretWatchOptions): Component {
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    try {
      return readSecretFiles(folder);
    } catch {
      // For the blink of an eye while the mount is renewed, and for longer when somebody takes the Secret away: what was read still holds.
      return null;
    }
  };
  return {
    name: "secrets",
    start: async () => {
      timer = setInterval(() => {
        const now = look();
        const names = now === null ? [] : changed(given, now);
        if (names.length === 0) return;
        clearInterval(timer);
        log.info({ component: "secrets", names }, "a secret changed: ending in order, to be started with it");
        onChange();
      }, lookEveryMs).unref();
    },
    stop: async () => clearInterval(timer),
  };
}

function changed(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name]);
}
