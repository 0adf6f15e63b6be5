import { isMap, isScalar, isSeq, type Document, type Scalar } from "yaml";
import type { FieldFault, Path } from "./manifest-faults.ts";

/** What a word or a number without quotes means to a reader of YAML; a bigint is a whole number of 64 bits. */
type Reading = string | number | bigint | boolean | null;

/** A fault, and where in the text it begins. */
interface ReadingFault extends FieldFault {
  readonly offset: number;
}

/** More digits than these are no number of 64 bits. */
const mostDigits = 100;
const mostShown = 60;

const words = new Map<string, Reading>([
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map((word) => [word, false] as const),
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...[".nan", ".NaN", ".NAN"].map((word) => [word, Number.NaN] as const),
  ...[".inf", ".Inf", ".INF"].flatMap((word) => [
    [word, Number.POSITIVE_INFINITY] as const,
    [`+${word}`, Number.POSITIVE_INFINITY] as const,
    [`-${word}`, Number.NEGATIVE_INFINITY] as const,
  ]),
]);

/** Whatever kubectl, which reads YAML 1.1 as Go's yaml.v2 does, takes for something else than YAML 1.2 does: `On` is true to it, and `010` is 8. */
export function readingFaults({ contents }: Document): ReadingFault[] {
  return [...faultsIn(contents, [])];
}

function* faultsIn(node: unknown, path: Path): Generator<ReadingFault> {
  if (isSeq(node)) for (const [index, item] of node.items.entries()) yield* faultsIn(item, [...path, index]);
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      const inner = [...path, isScalar(key) ? String(key.source ?? key.value) : String(key)];
      if (isScalar(key)) yield* faultOf(key, inner, isSameKey, "the key ", "Put it in quotes");
      yield* faultsIn(value, inner);
    }
  }
  if (isScalar(node)) yield* faultOf(node, path, isSameValue, "", remedyFor(readByKubectl(node.source ?? "")));
}

function* faultOf(
  { type, tag, source = "", value, range }: Scalar,
  path: Path,
  isSame: (reading: Reading, here: unknown) => boolean,
  what: string,
  remedy: string,
): Generator<ReadingFault> {
  const isText = tag === undefined ? type !== "PLAIN" : tag === "!" || tag === "tag:yaml.org,2002:str";
  const reading = readByKubectl(source);
  if (isText || isSame(reading, value)) return;
  const problem = `${what}${source.slice(0, mostShown)} means ${shown(reading)} to kubectl, and ${shown(value)} here`;
  yield { path, offset: range?.[0] ?? 0, problem, remedy };
}

const remedyFor = (reading: Reading) =>
  `Put it in quotes, or write ${typeof reading === "boolean" ? "true or false" : "the number in plain decimal digits"}`;

const shown = (value: unknown) =>
  typeof value === "string" ? JSON.stringify(value.slice(0, mostShown)) : String(value).slice(0, mostShown);

function isSameValue(reading: Reading, here: unknown): boolean {
  // Zeros of both signs are one number in JSON.
  if (typeof reading === "bigint" || reading === 0) return Number(reading) === here;
  return Object.is(reading, here);
}

/** The cluster gets every key as text; kubectl writes fractions by rules of its own, and refuses null. */
function isSameKey(reading: Reading, here: unknown): boolean {
  return reading === here || (["bigint", "boolean"].includes(typeof reading) && String(reading) === here);
}

/** As `resolve` in Go's yaml.v2 has it, but for times: they stay text, as in YAML 1.2. */
function readByKubectl(source: string): Reading {
  const word = words.get(source);
  if (word !== undefined) return word;
  if (!/^[-+.\d]/.test(source)) return source;
  const digits = source.startsWith(".") ? source : source.replaceAll("_", "");
  const whole = wholeNumber(digits);
  if (whole !== null) return whole;
  const isNumber = /^[-+]?(\.\d+|\d+(\.\d*)?)(e[-+]?\d+)?$/i.test(digits);
  return isNumber && Number.isFinite(Number(digits)) ? Number(digits) : source;
}

/** With any base that Go knows; null when it is none, or has more than 64 bits. */
function wholeNumber(text: string): bigint | number | null {
  const [, sign = "", digits] = /^([-+]?)(0x[\da-f]+|0b[01]+|0o?[0-7]+|0|[1-9]\d*)$/i.exec(text) ?? [];
  if (digits === undefined || digits.length > mostDigits) return null;
  const size = BigInt(digits.replace(/^0(?=\d)/, "0o"));
  const value = sign === "-" ? -size : size;
  if (BigInt.asIntN(64, value) === value) return value;
  return sign === "" && BigInt.asUintN(64, value) === value ? Number(value) : null;
}
