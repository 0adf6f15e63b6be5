/** Loads a package of bench/package.json, which is there only for who compares; null where it is not installed or does not load. */
export async function loadPeer<T>(name: string): Promise<T | null> {
  try {
    return (await import(name)) as T;
  } catch {
    return null;
  }
}
