/** What a family of models accepts. What it would refuse, or what nobody knows, is not sent. */
export interface Capabilities {
  /** Accepts temperature, topP and topK; deprecated from Gemini 3.6 on. */
  readonly sampling: boolean;
  /** Sent as `thinkingConfig`, so that thinking does not eat the tokens of a chat answer; null: nothing is sent. */
  readonly thinking: Readonly<Record<string, string | number>> | null;
  readonly images: boolean;
}

interface Family {
  readonly matches: RegExp;
  readonly capabilities: Capabilities;
}

/** Checked top to bottom against the model's name; the first match counts. */
const families: readonly Family[] = [
  // 2.5 Pro refuses a budget of 0; 128 is its least.
  { matches: /^gemini-2\.5-pro/, capabilities: { sampling: true, thinking: { thinkingBudget: 128 }, images: true } },
  { matches: /^gemini-2\.5-/, capabilities: { sampling: true, thinking: { thinkingBudget: 0 }, images: true } },
  { matches: /^gemini-[12]\b/, capabilities: { sampling: true, thinking: null, images: true } },
  // "low" is the one level that every model of the third generation knows.
  {
    matches: /^gemini-3(\.[0-5])?-/,
    capabilities: { sampling: true, thinking: { thinkingLevel: "low" }, images: true },
  },
  { matches: /^gemini-3\.\d+-/, capabilities: { sampling: false, thinking: { thinkingLevel: "low" }, images: true } },
  { matches: /^gemini-/, capabilities: { sampling: false, thinking: null, images: true } },
];

const unknown: Capabilities = { sampling: false, thinking: null, images: false };

/** What may be sent to the model of this name, with or without `models/` in front. */
export function capabilitiesOf(model: string): Capabilities {
  const name = model.replace(/^models\//, "");
  return families.find((family) => family.matches.test(name))?.capabilities ?? unknown;
}
