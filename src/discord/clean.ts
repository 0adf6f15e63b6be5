/** Without control characters; lines and tabs stay. */
export function clean(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, "");
}

/** On one line, and short. */
export function flat(text: string, most = 100): string {
  return clean(text).replaceAll(/\s+/g, " ").trim().slice(0, most).toWellFormed();
}
