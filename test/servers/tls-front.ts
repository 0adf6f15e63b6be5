import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Certificate } from "./certificates.ts";

/** A way to a server through TLS, which the servers of these tests are built without. */
export interface TlsFront {
  readonly port: number;
  /** How many connections have come through. */
  passed(): number;
  close(): Promise<void>;
}

/** Opens one on loopback in front of the server at `port`; a Postgres is asked for TLS in its own protocol first. */
export async function openTlsFront(kind: "postgres" | "redis", port: number, own: Certificate): Promise<TlsFront> {
  let passed = 0;
  const sockets = new Set<Socket>();
  const serve = (raw: Socket) => {
    const secure = new TLSSocket(raw, { isServer: true, cert: own.cert, key: own.key });
    secure.on("error", () => raw.destroy());
    secure.once("secure", () => {
      passed += 1;
      const behind = connect(port, "127.0.0.1");
      behind.on("error", () => raw.destroy());
      secure.pipe(behind).pipe(secure);
      secure.once("close", () => behind.destroy());
    });
  };
  const server = createServer((raw) => {
    sockets.add(raw);
    raw.once("close", () => sockets.delete(raw)).on("error", () => raw.destroy());
    if (kind === "redis") return serve(raw);
    raw.once("data", () => {
      raw.write("S");
      serve(raw);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    passed: () => passed,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
