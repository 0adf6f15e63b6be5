import { createHash, timingSafeEqual } from "node:crypto";

/** Tells whether an Authorization header brings `token`; null asks for none. How long it takes says nothing about how much of a guess was right. */
export function makeBearerCheck(token: string | null): (header: string) => boolean {
  if (token === null) return () => true;
  const wanted = digest(token);
  return (header) => timingSafeEqual(wanted, digest(/^bearer +(\S+)$/i.exec(header)?.[1] ?? ""));
}

/** Of one length, whatever was sent. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
