import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { runToEnd, startWatched } from "../failure/process.ts";
import { certify, makeAuthority, type Certificate } from "../servers/certificates.ts";
import { describeUnless } from "../servers/databases.ts";
import { createServerDatabase, openServerRedis, whyNoPostgres, whyNoRedis } from "../servers/shared.ts";
import { openTlsFront, type TlsFront } from "../servers/tls-front.ts";
import { temporaryFolder } from "./fresh-database.ts";

const authority = makeAuthority("canary-authority");
const stranger = makeAuthority("canary-stranger");
const certificates = {
  good: certify(authority),
  self: makeAuthority("localhost"),
  elsewhere: certify(authority, { host: "canary.example" }),
  expired: certify(authority, { expired: true }),
} as const satisfies Record<string, Certificate>;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let trusted: string;
let mistaken: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  [trusted, mistaken] = [join(folder.path, "authority.pem"), join(folder.path, "stranger.pem")];
  await writeFile(trusted, authority.cert);
  await writeFile(mistaken, stranger.cert);
});
afterAll(() => folder.remove());

const patience = { timeout: 60_000, interval: 25 };

interface Health {
  readonly components: Readonly<Record<string, { readonly status: string; readonly details: object }>>;
}

type Front = Record<keyof typeof certificates, TlsFront>;

async function openFronts(kind: "postgres" | "redis", url: string): Promise<Front> {
  const port = Number(new URL(url).port);
  const open = Object.entries(certificates).map(async ([name, own]) => [name, await openTlsFront(kind, port, own)]);
  return Object.fromEntries(await Promise.all(open)) as Front;
}

/** Runs `migrate` against these servers; resolves to its exit code and what it says to people. */
async function start(
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | null; said: string; log: string }> {
  const { code, stderr } = await runToEnd([], { cwd: folder.path, env: { ROLE: "migrate", ...env } });
  return { code, said: stderr.filter((line) => !line.startsWith("{")).join("\n"), log: stderr.join("\n") };
}

describeUnless(await whyNoPostgres(), "Postgres behind TLS", () => {
  let place: Awaited<ReturnType<typeof createServerDatabase>>;
  let fronts: Front;
  const url = (front: TlsFront, search: string): string =>
    Object.assign(new URL(place.url), { port: String(front.port), search }).href;
  beforeAll(async () => {
    place = await createServerDatabase("migrated");
    fronts = await openFronts("postgres", place.url);
  });
  afterAll(async () => {
    await Promise.all(Object.values(fronts).map((front) => front.close()));
    await place.drop();
  });

  it.each(["require", "verify-full"])("is used where its authority is named, with sslmode=%s", async (mode) => {
    const before = fronts.good.passed();
    expect(await start({ POSTGRESQL_URL: url(fronts.good, `?sslmode=${mode}&sslrootcert=${trusted}`) })).toMatchObject({
      code: 0,
      said: "",
    });
    expect(fronts.good.passed()).toBeGreaterThan(before);
  });

  it("is used where NODE_EXTRA_CA_CERTS names its authority", async () => {
    const env = { POSTGRESQL_URL: url(fronts.good, "?sslmode=require"), NODE_EXTRA_CA_CERTS: trusted };
    expect(await start(env)).toMatchObject({ code: 0, said: "" });
  });

  it.each([
    [
      "an authority that nobody named",
      "good",
      (): string => "",
      /is not trusted \(\w+\)\. Name its authority with sslrootcert/,
    ],
    ["another authority", "good", (): string => `&sslrootcert=${mistaken}`, /is not trusted/],
    ["nobody but itself", "self", (): string => "", /is not trusted/],
    [
      "a right authority, for another host",
      "elsewhere",
      (): string => `&sslrootcert=${trusted}`,
      /is for another host/,
    ],
    ["a right authority, long ago", "expired", (): string => `&sslrootcert=${trusted}`, /has expired\. Renew it/],
    ["a file that is not there", "good", (): string => "&sslrootcert=/canary/file.pem", /a file that cannot be read/],
  ] as const)(
    "is refused in one sentence when its certificate is vouched for by %s",
    async (_, front, more, sentence) => {
      for (const mode of ["prefer", "require", "verify-ca", "verify-full"]) {
        const { code, said, log } = await start({ POSTGRESQL_URL: url(fronts[front], `?sslmode=${mode}${more()}`) });
        expect([code, said]).toEqual([78, expect.stringMatching(sentence)]);
        expect(said).toMatch(/^POSTGRESQL_URL: [^\n]+\. [^\n]+$/);
        expect(log).not.toMatch(/canary|127\.0\.0\.1/);
        expect(log).not.toContain(new URL(place.url).password);
      }
    },
    240_000,
  );
});

describeUnless(await whyNoRedis(), "Redis behind TLS", () => {
  let redis: Awaited<ReturnType<typeof openServerRedis>>;
  let fronts: Front;
  const url = (front: TlsFront): string => `rediss://127.0.0.1:${front.port}${new URL(redis.url).pathname}`;
  beforeAll(async () => {
    redis = await openServerRedis();
    fronts = await openFronts("redis", redis.url);
  });
  afterAll(async () => {
    await Promise.all(Object.values(fronts).map((front) => front.close()));
    await redis.drop();
  });
  /** Starts the product in a terminal; resolves to what it says of its Redis, or why it did not start. */
  const startWith = async (env: Readonly<Record<string, string>>, wanted: object = {}) => {
    const bot = startWatched(join(folder.path, "data"), env);
    let code: number | null = null;
    void bot.exited.then((ended) => (code = ended));
    const found = await vi.waitFor(async () => {
      if (code !== null) return code;
      expect((await bot.get("/health/ready")).status).toBe(200);
      const { components } = (await (await bot.get("/health")).json()) as Health;
      // On a busy machine it may be late, and degraded for that.
      expect(components["redis"]).toMatchObject(wanted);
      return components["redis"];
    }, patience);
    bot.kill("SIGKILL");
    await bot.exited;
    return { found, log: bot.errors() };
  };

  it("is used where NODE_EXTRA_CA_CERTS names its authority", async () => {
    const before = fronts.good.passed();
    const env = { REDIS_URL: url(fronts.good), NODE_EXTRA_CA_CERTS: trusted };
    expect((await startWith(env, { status: "healthy" })).found).toMatchObject({ status: "healthy" });
    expect(fronts.good.passed()).toBeGreaterThan(before);
  });

  it.each([
    [
      "an authority that nobody named",
      "good",
      (): Record<string, string> => ({}),
      /is not trusted \(\w+\)\. Name its authority with NODE_EXTRA/,
    ],
    ["another authority", "good", (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: mistaken }), /is not trusted/],
    ["nobody but itself", "self", (): Record<string, string> => ({}), /is not trusted/],
    [
      "a right authority, for another host",
      "elsewhere",
      (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: trusted }),
      /is for another host/,
    ],
  ] as const)(
    "is refused in one sentence when its certificate is vouched for by %s",
    async (_, front, env, sentence) => {
      const { found, log } = await startWith({ REDIS_URL: url(fronts[front]), ...env() });
      expect(found).toBe(78);
      const said = log.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
      expect(said).toEqual([expect.stringMatching(/^REDIS_URL: [^\n]+\. [^\n]+$/)]);
      expect(said[0]).toMatch(sentence);
      expect(log).not.toMatch(/canary/);
    },
  );

  it("whose certificate has expired stops nothing, is said, and is not used", async () => {
    const before = fronts.expired.passed();
    const wanted = {
      status: "degraded",
      details: { reason: "the server's certificate has expired: Postgres and local limits serve meanwhile" },
    };
    const env = { REDIS_URL: url(fronts.expired), NODE_EXTRA_CA_CERTS: trusted };
    expect((await startWith(env, wanted)).found).toMatchObject(wanted);
    expect(fronts.expired.passed()).toBe(before);
  });
});
