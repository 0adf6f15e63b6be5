import type { RedisOptions } from "ioredis";

const sentinels = /^(redis|rediss)\+sentinel:\/\/(?:([^:@/]*):([^@/]*)@)?([^/@]+)\/([^/?#]+)(?:\/(\d{1,5}))?$/;

/**
 * Reads `redis://user:password@host:6379/0`, `rediss://…` for TLS, or `redis+sentinel://user:password@host:26379,host:26379/name/0` for the primary
 * that sentinels know by this name (`rediss+sentinel://` for TLS to the primary). Null when it is none of them.
 */
export function readRedisUrl(text: string): RedisOptions | null {
  const found = sentinels.exec(text);
  if (found === null) return readPlain(text);
  const [, scheme, user = "", password = "", hosts = "", name = "", db = "0"] = found;
  const places = hosts.split(",").map(readPlace);
  if (!places.every((place) => place !== null)) return null;
  return {
    sentinels: places,
    name,
    db: Number(db),
    ...credentials(user, password),
    // Without the second word the library takes the first for nothing, and speaks in plain text.
    ...(scheme === "rediss" ? { tls: {}, enableTLSForSentinelMode: true } : {}),
  };
}

function readPlain(text: string): RedisOptions | null {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return null;
  const { protocol, hostname, port, username, password, pathname, search } = new URL(text);
  const db = pathname.replace(/^\//, "") || "0";
  if (hostname === "" || !/^\d{1,5}$/.test(db) || search !== "") return null;
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 6379),
    db: Number(db),
    ...credentials(username, password),
    ...(protocol === "rediss:" ? { tls: {} } : {}),
  };
}

function readPlace(text: string): { host: string; port: number } | null {
  const [, host, port] = /^([\w.-]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  return host === undefined ? null : { host, port: Number(port ?? 26_379) };
}

function credentials(user: string, password: string): Pick<RedisOptions, "username" | "password"> {
  return {
    ...(user === "" ? {} : { username: decodeURIComponent(user) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
}
