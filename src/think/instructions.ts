const leastChars = 40;

/** What is said in place of a reply that gives away what agents are told. */
export const withheld = "I keep what I was told about myself to myself. Ask me anything else.";

/**
 * Builds the question whether a text repeats a line of the system part word for word. Whoever asks an agent for its prompt does not get it, whatever the
 * model thinks; specialties are no secret.
 */
export function makeInstructionGuard(system: string): (text: string) => boolean {
  const lines = system
    .split("\n")
    .filter((line) => !line.startsWith("Specialty:"))
    .map(plain)
    .filter((line) => line.length >= leastChars);
  return (text) => {
    const said = plain(text);
    return said.length >= leastChars && lines.some((line) => said.includes(line));
  };
}

/** Letters and digits alone, so that quotes, bullets and emphasis change nothing. */
function plain(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}
