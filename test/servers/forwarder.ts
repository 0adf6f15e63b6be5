import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** An address behind which a server can be exchanged, as a load balancer or a service of Kubernetes does. */
export interface Forwarder {
  readonly port: number;
  /** New connections go to another port of the host; those that stand are left as they are. */
  point(port: number): void;
  /** Ends those that stand, as a restarted load balancer does. */
  cut(): void;
  /** Acts once, right before these words are passed on to the server. */
  beforeSent(words: string, act: () => void): void;
  /** Whether whoever comes is let in; at first they are. */
  admit(newcomers: boolean): void;
  /** Those that stand are never answered again, and not closed: their host has gone from the net. */
  silence(): void;
  close(): Promise<void>;
}

/** Listens on a free port of loopback and passes on what comes to the port `target` of a host, and what comes back. */
export async function openForwarder(target: number, host = "127.0.0.1"): Promise<Forwarder> {
  const open = new Set<Socket>();
  let current = target;
  let isOpen = true;
  let trap: { readonly words: string; readonly act: () => void } | null = null;
  const cut = () => {
    for (const one of open) one.destroy();
  };
  const server = createServer((near) => {
    if (!isOpen) return void near.destroy();
    const far = connect(current, host);
    near.on("data", (sent: Buffer) => {
      if (trap === null || !sent.includes(trap.words)) return;
      trap.act();
      trap = null;
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    point: (port) => {
      current = port;
    },
    cut,
    beforeSent: (words, act) => {
      trap = { words, act };
    },
    admit: (newcomers) => {
      isOpen = newcomers;
    },
    silence: () => {
      for (const one of open) {
        one.unpipe();
        one.removeAllListeners("close");
        // Read and thrown away: what is not read would be noticed by the other side.
        one.resume();
      }
    },
    close: async () => {
      server.close();
      cut();
    },
  };
}
