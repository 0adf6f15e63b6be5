import { inHouse, type House } from "./discord-house.ts";

export const hourMs = 3_600_000;

/** The environment of a process whose clock goes wrong by so much from its first moment on. */
export function withClock(shiftMs: number): { NODE_OPTIONS: string } {
  const program = `const Real=Date;globalThis.Date=class extends Real{constructor(...given){if(given.length===0)super(Real.now()+${shiftMs});else super(...given)}static now(){return Real.now()+${shiftMs}}}`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` };
}

/** As `inHouse`; `wait` lets a minute and a half pass by Discord's clock. */
export async function inHouseThatWaits(use: (house: House, wait: () => void) => Promise<void>): Promise<void> {
  let aheadMs = -90_000;
  const wait = () => {
    aheadMs = 0;
  };
  await inHouse({ now: () => Date.now() + aheadMs }, (house) => use(house, wait));
}
