/** Licences that ask for no more than their text to be kept, by their SPDX names. */
const permissive = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "MIT-0",
  "PSF-2.0",
  "Unlicense",
]);

/** The part of package-lock.json that is read: packages by their path. */
export interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly license?: string; readonly dev?: boolean }>
  >;
}

/** The packages that run in production and whose licence is not on the list, one sentence each; `looked`: how many were looked at. */
export function refuseLicences({ packages }: Lock): { readonly looked: number; readonly refused: readonly string[] } {
  const production = Object.entries(packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  const refused = production
    .filter(([, { license }]) => !isPermissive(license ?? ""))
    .map(([path, { version, license }]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      return `${name} ${version ?? ""}: ${license === undefined ? "it names no licence" : `${license} is not on the list`}`;
    });
  return { looked: production.length, refused };
}

/** Of alternatives one is enough; of what holds together all must be on the list. A form that nobody foresaw is not. */
function isPermissive(expression: string): boolean {
  const plain = expression.replace(/^\((.*)\)$/, "$1");
  if (/[()]/.test(plain)) return false;
  return plain.split(" OR ").some((way) => way.split(" AND ").every((licence) => permissive.has(licence)));
}
