import { gunzipSync, gzipSync } from "node:zlib";

const block = 512;

/** A .tar.gz with the times of its files taken out: what was packed from the same files is the same bytes whenever it was packed. */
export function withoutTimes(archive: Buffer): Buffer {
  const tar = gunzipSync(archive);
  let at = 0;
  while (at < tar.length && tar[at] !== 0) {
    const header = tar.subarray(at, at + block);
    const bytes = Number.parseInt(header.toString("latin1", 124, 136), 8);
    header.write("00000000000\0", 136, "latin1");
    // The sum of a header counts its own field as spaces.
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    at += block + Math.ceil(bytes / block) * block;
  }
  return gzipSync(tar, { level: 9 });
}
