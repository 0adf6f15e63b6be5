import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { refuseLicences } from "../../scripts/licence-list.ts";

const one = (license: string | undefined, more: { dev?: boolean } = {}) =>
  refuseLicences({
    packages: {
      "": { version: "1", license: "Proprietary" },
      "node_modules/a/node_modules/@scope/b": {
        version: "2.0.0",
        ...(license === undefined ? {} : { license }),
        ...more,
      },
    },
  }).refused;

it.each(["MIT", "Apache-2.0", "ISC", "(MIT OR GPL-3.0)", "GPL-2.0 OR MIT", "MIT AND ISC"])(
  "%s is allowed",
  (licence) => {
    expect(one(licence)).toEqual([]);
  },
);

it.each([
  "GPL-3.0",
  "AGPL-3.0-only",
  "SSPL-1.0",
  "MIT AND GPL-3.0",
  "(MIT OR X) AND (GPL-3.0)",
  "SEE LICENSE IN FILE",
  "UNLICENSED",
  "",
])("%s is refused by the name of the package", (licence) => {
  expect(one(licence)).toEqual([`@scope/b 2.0.0: ${licence} is not on the list`]);
});

it("a package without a licence is refused, and what only develops is not looked at", () => {
  expect(one(undefined)).toEqual(["@scope/b 2.0.0: it names no licence"]);
  expect(one("GPL-3.0", { dev: true })).toEqual([]);
});

it("every package that runs in production is looked at, and allowed", async () => {
  const script = join(import.meta.dirname, "..", "..", "scripts", "licences.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script]);
  const [, looked, refused] = /^(\d+) packages in production, (\d+) with/.exec(stdout) ?? [];
  expect(Number(looked)).toBeGreaterThan(50);
  expect(Number(refused)).toBe(0);
});
