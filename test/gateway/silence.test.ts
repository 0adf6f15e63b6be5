import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchForSilence } from "../../src/gateway/silence.ts";

describe("a connection's heartbeats", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const everyMs = 41_250;
  const beats = (...times: number[]) => {
    const onSilent = vi.fn<() => void>();
    const watch = watchForSilence(onSilent);
    for (const at of times) {
      vi.advanceTimersByTime(at - Date.now());
      watch.beat(at);
    }
    return { onSilent, watch };
  };
  beforeEach(() => void vi.setSystemTime(0));

  it("that stop are noticed after two of them", () => {
    const { onSilent } = beats(5_000, 5_000 + everyMs, 5_000 + 2 * everyMs);
    vi.advanceTimersByTime(2 * everyMs);
    expect(onSilent).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(onSilent).toHaveBeenCalledOnce();
  });

  it("are not missed because Discord asked for one out of turn", () => {
    const { onSilent } = beats(5_000, 5_200, 5_000 + everyMs, 5_050 + everyMs);
    vi.advanceTimersByTime(everyMs - 50);
    expect(onSilent).not.toHaveBeenCalled();
  });

  it("are not waited for when the connection is gone", () => {
    const { onSilent, watch } = beats(5_000, 5_000 + everyMs, 5_000 + 2 * everyMs);
    watch.reset();
    vi.advanceTimersByTime(10 * everyMs);
    expect(onSilent).not.toHaveBeenCalled();
  });
});
