import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Keeps at most `most` connections, by hanging up on the one that has asked nothing for longest. Not by refusing new ones, as `maxConnections` does:
 * whoever holds all of them would shut out the probes, and have the process restarted.
 */
export function limitConnections(server: Server, most: number): void {
  const open = new Set<Socket>();
  /** Those with no request under way, the longest-waiting first. */
  const waiting = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    const [oldest] = waiting;
    if (open.size >= most) (oldest ?? socket).destroy();
    open.add(socket);
    waiting.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      waiting.delete(socket);
    });
  });
  server.on("request", ({ socket }, response) => {
    waiting.delete(socket);
    response.once("close", () => {
      if (!socket.destroyed) waiting.add(socket);
    });
  });
}
