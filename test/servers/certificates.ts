import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";

/** A certificate with its key, both as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Somebody who signs certificates. */
interface Authority extends Certificate {
  readonly name: string;
  readonly privateKey: KeyObject;
}

const day = 86_400_000;
const ecdsaWithSha256 = tlv(0x30, oid("2a8648ce3d040302"));

/** An authority that nobody trusts who is not told to. */
export function makeAuthority(name: string): Authority {
  return { name, ...issue({ name, issuer: null, extension: tlv(0x30, oid("551d13"), bytes(tlv(0x30, yes()))) }) };
}

/** A certificate of a server on loopback, or of one at `host`; `expired`: since yesterday. */
export function certify(issuer: Authority, { host = "localhost", expired = false } = {}): Certificate {
  const loopback = host === "localhost" ? [tlv(0x87, Buffer.from([127, 0, 0, 1]))] : [];
  const names = tlv(0x30, tlv(0x82, Buffer.from(host)), ...loopback);
  const { cert, key } = issue({ name: host, issuer, extension: tlv(0x30, oid("551d11"), bytes(names)), expired });
  return { cert, key };
}

/** X.509 in DER: no program has to be there to make one. */
function issue(wanted: { name: string; issuer: Authority | null; extension: Buffer; expired?: boolean }) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const until = Date.now() + (wanted.expired === true ? -day : day);
  const body = tlv(
    0x30,
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1]), randomBytes(8)),
    ecdsaWithSha256,
    nameOf(wanted.issuer?.name ?? wanted.name),
    tlv(0x30, time(until - 30 * day), time(until)),
    nameOf(wanted.name),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, tlv(0x30, wanted.extension)),
  );
  const signature = sign("sha256", body, wanted.issuer?.privateKey ?? privateKey);
  const der = tlv(0x30, body, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), signature));
  const base64 = der.toString("base64").replaceAll(/.{64}/g, "$&\n");
  const cert = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), privateKey };
}

function nameOf(commonName: string): Buffer {
  return tlv(0x30, tlv(0x31, tlv(0x30, oid("550403"), tlv(0x0c, Buffer.from(commonName)))));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"));
}

function yes(): Buffer {
  return tlv(0x01, Buffer.from([0xff]));
}

function bytes(content: Buffer): Buffer {
  return tlv(0x04, content);
}

/** Tag, length, value. */
function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const size = value.length < 0x80 ? [value.length] : [0x82, value.length >> 8, value.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}
