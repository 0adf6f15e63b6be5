const wordCharacter = /^[\p{L}\p{M}\p{N}_]$/u;
/** Scripts written without spaces. A word of one may stand directly beside a word of another script. */
const unspaced = ["Han", "Hira", "Kana", "Thai", "Lao", "Khmr", "Mymr"].map(
  (script) => new RegExp(`^[\\p{sc=${script}}]$`, "u"),
);
const honorific = /^(?:さん|ちゃん|くん|さま|様|君|氏|先生|殿)/u;
const hiraganaParticle = /^(?:は|が|に|へ|も|と|の|を|って)/u;

const greeting =
  /^(?:hey|hi|hello|ok|okay|dear|yo|thanks|thank you|good morning|good evening|hallo|hola|salut|bonjour|olá|ciao|ねえ|ねぇ|やあ|こんにちは)?[\s,、，!！]*$/u;
const opening = /^[\s*_~"'“„«「(¿¡]*$/u;
const sentenceEnd = /[.!?。！？\n]/u;
// Nobody's name stands fifty times in a message that is worth searching further.
const maxOccurrences = 50;

/**
 * Where in `text` somebody is called by `name`, or null: at the start ("Mira what is next?", "hey Mira"), as "@Mira",
 * at the start of a sentence with a comma or colon after it, or at the end of one with a comma before it. Talk about
 * somebody ("I asked Mira yesterday", "Mira's plan") is no call.
 */
export function isCalled(text: string, name: string): number | null {
  const [said, wanted] = [fold(text), fold(name)];
  for (const at of occurrences(said, wanted)) {
    const before = said.slice(0, at);
    const after = said.slice(at + wanted.length).replace(honorific, "");
    if (/(?:^|[^\p{L}\p{N}])@$/u.test(before)) return at;
    if (/^['’]s(?![\p{L}\p{N}])/u.test(after)) continue;
    if (opening.test(before)) return at;
    const sentence = before.split(sentenceEnd).at(-1)?.trimStart() ?? "";
    if (sentence !== "" && greeting.test(sentence)) return at;
    if (sentence === "" && /^\s*[,:，、：]/u.test(after)) return at;
    if (/[,，、]\s*$/u.test(before) && /^\s*(?:[.!?。！？\n]|$)/u.test(after)) return at;
  }
  return null;
}

/** Whether `phrase` is said in `text` as whole words, in any case and width. */
export function isSaid(text: string, phrase: string): boolean {
  return occurrences(fold(text), fold(phrase)).length > 0;
}

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase().trim();
}

/** Where `wanted` stands as a word of its own. */
function occurrences(text: string, wanted: string): number[] {
  const found: number[] = [];
  if (wanted === "") return found;
  for (let at = text.indexOf(wanted); at >= 0 && found.length < maxOccurrences; at = text.indexOf(wanted, at + 1)) {
    const end = at + wanted.length;
    const startsWord = !joined(lastCharacter(text.slice(Math.max(0, at - 2), at)), firstCharacter(wanted));
    if (startsWord && endsWord(wanted, text.slice(end, end + 8))) found.push(at);
  }
  return found;
}

function endsWord(wanted: string, after: string): boolean {
  const last = lastCharacter(wanted);
  if (!joined(last, firstCharacter(after))) return true;
  return scriptOf(last) >= 0 && (honorific.test(after) || (/\p{sc=Hira}/u.test(last) && hiraganaParticle.test(after)));
}

/** Whether two neighbouring characters belong to one word, as far as their scripts tell. */
function joined(left: string, right: string): boolean {
  if (!wordCharacter.test(left) || !wordCharacter.test(right)) return false;
  return /^\p{M}$/u.test(right) || scriptOf(left) === scriptOf(right);
}

/** The number of the unspaced script a character belongs to; -1 for all others, which part words by spaces. */
function scriptOf(character: string): number {
  // The long-vowel mark belongs to no script; it continues katakana.
  return unspaced.findIndex((script) => script.test(character === "ー" ? "ア" : character));
}

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 32);
}

function lastCharacter(text: string): string {
  return Array.from(text).at(-1) ?? " ";
}
