/** Scripts written without spaces between words, where only pieces of a run can be matched. */
const unspaced = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}ー]+/gu;
const pictograph = /\p{Extended_Pictographic}/gu;
const accents = /[\u064B-\u065F\u0670\u0591-\u05C7]/g;
const identifier = /[A-Za-z][A-Za-z0-9]*(?:[._/][A-Za-z0-9]+)+|[a-z]+[0-9]*(?:[A-Z][a-z0-9]*)+/g;

/**
 * The words that full text search indexes for a text. Postgres's parser drops emoji and takes a run of Japanese or Thai for one
 * word; so pairs of such characters and emoji become ASCII words of their own, and identifiers are found by their parts as well.
 */
export function searchText(text: string): string {
  const plain = text.normalize("NFKC").replaceAll(accents, "");
  const extra: string[] = [];
  for (const [emoji] of plain.matchAll(pictograph)) extra.push(`emoji${code(emoji)}`);
  for (const [name] of plain.matchAll(identifier)) extra.push(...partsOf(name));
  const spaced = plain.replaceAll(unspaced, (run) => ` ${pairsOf(run).join(" ")} `);
  return extra.length > 0 ? `${spaced} ${extra.join(" ")}` : spaced;
}

function pairsOf(run: string): string[] {
  const characters = Array.from(run);
  if (characters.length === 1) return [`u${code(run)}`];
  return characters.slice(1).map((character, i) => `u${code(characters[i] ?? "")}${code(character)}`);
}

function partsOf(name: string): string[] {
  return name.split(/[._/]|(?<=[a-z0-9])(?=[A-Z])/).filter((part) => part.length > 1);
}

function code(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}

const configurations: Readonly<Record<string, string>> = {
  ar: "arabic",
  hy: "armenian",
  eu: "basque",
  ca: "catalan",
  da: "danish",
  nl: "dutch",
  en: "english",
  fi: "finnish",
  fr: "french",
  de: "german",
  el: "greek",
  hi: "hindi",
  hu: "hungarian",
  id: "indonesian",
  ga: "irish",
  it: "italian",
  lt: "lithuanian",
  ne: "nepali",
  no: "norwegian",
  nb: "norwegian",
  pt: "portuguese",
  ro: "romanian",
  ru: "russian",
  es: "spanish",
  sv: "swedish",
  ta: "tamil",
  tr: "turkish",
  yi: "yiddish",
};

/** The text search configuration of Postgres for a locale such as "pt-BR"; `english` for none, `simple` where Postgres has none. */
export function textSearchConfiguration(locale: string | null): string {
  if (locale === null) return "english";
  return configurations[locale.split("-")[0]?.toLowerCase() ?? ""] ?? "simple";
}
