import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it, vi } from "vitest";
import type { HealthServer } from "../../src/http/health-server.ts";
import { canary, lines, openServer, time, undo } from "./open-server.ts";

describe("errors have one form", () => {
  it.each([
    ["GET", "/", 404],
    ["GET", "/healthy", 404],
    ["GET", "/%", 404],
    ["POST", "/nothing", 404],
    ["POST", "/health", 405],
    ["DELETE", "/status", 405],
  ])("%s %s is %i", async (method, path, code) => {
    const { get } = await openServer();
    const answer = await get(path, { method, ...(method === "POST" && { body: "x".repeat(100_000) }) });
    expect(answer.code).toBe(code);
    expect(answer.json).toEqual({ error: expect.any(String), status_code: code, timestamp: time });
    expect(answer.headers.get("allow")).toBe(code === 405 ? "GET, HEAD" : null);
  });

  it("a bug is 500 without its message, and the log has its stack", async () => {
    const { get } = await openServer({
      configuration: () => {
        throw new Error(canary);
      },
    });
    const { code, json, text } = await get("/status");
    expect([code, json["status_code"]]).toEqual([500, 500]);
    expect(text).not.toContain(canary);
    expect(lines.join("")).toContain("server-life.test.ts");
  });

  it("HEAD is GET without the body", async () => {
    const { get } = await openServer();
    expect(await get("/health", { method: "HEAD" })).toMatchObject({ code: 200, text: "" });
  });

  it("headers without end are refused", async () => {
    const { get } = await openServer();
    expect((await get("/health", { headers: { "x-long": "x".repeat(20_000) } })).code).toBe(431);
  });
});

describe("a port that is taken", () => {
  async function occupy(): Promise<number> {
    const server: Server = createServer().listen(0, "127.0.0.1");
    await vi.waitFor(() => expect(server.listening).toBe(true));
    undo.push(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  it("is a failure to start that names the remedy", async () => {
    const port = await occupy();
    await expect(openServer({ port })).rejects.toThrow(
      `port ${port} is taken by another program; stop the other program, or set HEALTH_CHECK_PORT`,
    );
  });

  it("is passed by for the next free one where that is wished, and said", async () => {
    const port = await occupy();
    const { at, get } = await openServer({ port, whenTaken: "next-free" });
    expect(at).not.toBe(`http://127.0.0.1:${port}`);
    expect((await get("/health/live")).code).toBe(200);
    expect(lines.join("")).toContain(`port ${port} is taken; the health API is at ${at}`);
  });
});

describe("the end", () => {
  async function connection(server: HealthServer, send: string): Promise<Socket> {
    const socket = connect(Number(new URL(server.url() ?? "").port), "127.0.0.1");
    undo.push(() => socket.destroy());
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write(send);
    socket.resume();
    return socket;
  }

  it.each([
    ["kept alive", "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["that says nothing", ""],
    ["that says half of it", "GET /health/live HTTP/1.1\r\nHo"],
  ])("does not wait for a connection %s", async (_name, send) => {
    const server = await openServer();
    const socket = await connection(server, send);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const startedMs = performance.now();
    await server.stop(AbortSignal.timeout(60_000));
    await closed;
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect(server.url()).toBeNull();
  });

  it("is safe before the start, and frees the port", async () => {
    const server = await openServer();
    const port = Number(new URL(server.at).port);
    await server.stop(AbortSignal.timeout(1_000));
    await server.stop(AbortSignal.timeout(1_000));
    expect((await openServer({ port })).at).toBe(server.at);
  });
});
