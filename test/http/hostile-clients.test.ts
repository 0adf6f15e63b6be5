import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { lines, openServer } from "./open-server.ts";

const megabyte = 1_048_576;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A client that speaks no HTTP unless it is told to. */
async function dial(at: string, send = "") {
  const socket = connect(Number(new URL(at).port), "127.0.0.1");
  sockets.push(socket);
  let received = "";
  socket.on("data", (chunk) => (received += String(chunk)));
  // Whoever is hung up on while it sends learns so as an error.
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  await new Promise((resolve) => void socket.once("connect", resolve));
  if (send !== "") socket.write(send);
  return { socket, closed, received: () => received };
}

/** Sends `bytes`, as fast as they are taken, until all are sent or nobody takes any more; resolves to how many were handed over. */
async function pour(socket: Socket, bytes: number, closed: Promise<void>, text = "x"): Promise<number> {
  const chunk = Buffer.alloc(65_536, text);
  let sent = 0;
  while (sent < bytes && !socket.destroyed) {
    sent += chunk.length;
    if (!socket.write(chunk)) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
  }
  return sent;
}

function held(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe("whoever sends too much is refused while it sends, and nothing of it is kept", () => {
  it.each([
    ["a body with its length", `Content-Length: ${100 * megabyte}\r\n\r\n`, 413],
    ["a body in chunks", "Transfer-Encoding: chunked\r\n\r\n6400000\r\n", 413],
    ["headers without end", "X-Long: ", 431],
    ["a path without end", null, 431],
  ])("100 MB of %s", async (_, head, code) => {
    const { at, get } = await openServer();
    const before = held();
    const start = head === null ? "GET /" : `GET /status HTTP/1.1\r\nHost: x\r\n${head}`;
    const { socket, closed, received } = await dial(at, start);
    const sent = await pour(socket, 100 * megabyte, closed);
    await closed;
    expect(received()).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
    expect(sent).toBeLessThan(20 * megabyte);
    expect(held() - before).toBeLessThan(30 * megabyte);
    expect((await get("/health/live")).code).toBe(200);
  });

  it("many small headers", async () => {
    const { at } = await openServer();
    const { closed, received } = await dial(at, `GET /health HTTP/1.1\r\n${"a: b\r\n".repeat(3_000)}\r\n`);
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it("a body that asks first is refused before it is sent", async () => {
    const { at } = await openServer();
    const { closed, received } = await dial(
      at,
      "POST /status HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 405 /);
    expect(received()).not.toContain("100 Continue");
  });
});

describe("what is no request of ours ends the connection without a word of what is inside", () => {
  it.each([
    ["nonsense", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"],
    ["two lengths", "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    [
      "a length and chunks",
      "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ["no host", "GET /health HTTP/1.1\r\n\r\n"],
    ["a tunnel", "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n"],
  ])("%s", async (_, send) => {
    const { at, get } = await openServer();
    const { closed, received } = await dial(at, send);
    await closed;
    expect(received()).toMatch(/^(?:HTTP\/1\.1 400 [^{]*)?$/);
    expect((await get("/health/live")).code).toBe(200);
  });

  it("an answer tells no browser to do anything, and does not say what made it", async () => {
    const { get } = await openServer();
    for (const path of ["/health", "/status", "/metrics", "/nothing"]) {
      const { headers } = await get(path);
      expect(headers.get("x-powered-by") ?? headers.get("server")).toBeNull();
      expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });
});

it("whoever is slow, or asks and never reads, does not keep a connection", async () => {
  const { at, get } = await openServer();
  const startedMs = performance.now();
  const says = ["", "GET /health HTTP/1.1\r\nHost: x\r\n", "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"];
  const silent = await Promise.all(says.map((send) => dial(at, send)));
  const dripping = await dial(at, "GET /health HTTP/1.1\r\nX: ");
  const drip = setInterval(() => dripping.socket.write("x"), 50);
  const deaf = await dial(at);
  deaf.socket.pause();
  const request = "GET /metrics HTTP/1.1\r\nHost: xx\r\n\r\n";
  const before = held();
  const asked = pour(deaf.socket, 100 * megabyte, deaf.closed, request.padEnd(64, "\r\n"));
  await Promise.all([...silent, dripping].map(({ closed }) => closed));
  clearInterval(drip);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect((await get("/health/live")).code).toBe(200);
  await deaf.closed;
  expect(await asked).toBeLessThan(20 * megabyte);
  expect(held() - before).toBeLessThan(30 * megabyte);
});

describe("a crowd", () => {
  it("of slow clients does not shut out the probes: whoever waited longest makes room", async () => {
    const { at, get } = await openServer();
    const crowd = await Promise.all(Array.from({ length: 300 }, () => dial(at, "GET /health HTTP/1.1\r\nX: ")));
    for (let round = 0; round < 20; round += 1) {
      const startedMs = performance.now();
      expect((await get("/health/live")).code).toBe(200);
      expect((await get("/health/ready")).code).toBe(200);
      expect(performance.now() - startedMs).toBeLessThan(2_000);
      crowd.push(await dial(at, "GET /health HTTP/1.1\r\nX: "));
    }
    await vi.waitFor(() => expect(crowd.filter(({ socket }) => !socket.destroyed).length).toBeLessThanOrEqual(100), {
      timeout: 3_000,
      interval: 20,
    });
    expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });

  it("does not cut off who is being answered", async () => {
    const [gate, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { at, get } = await openServer({
      extraStatus: {
        whole: async () => {
          asked.resolve();
          await gate.promise;
          return true;
        },
      },
    });
    const answer = get("/status");
    await asked.promise;
    await Promise.all(Array.from({ length: 250 }, () => dial(at)));
    expect((await get("/health/live")).code).toBe(200);
    gate.resolve();
    expect((await answer).json).toMatchObject({ whole: true });
  });
});
