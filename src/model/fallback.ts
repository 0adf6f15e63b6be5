import { asError, ForeseenError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Governor } from "./governor.ts";
import type { GenerateRequest } from "./model.ts";

/**
 * Lets another model write where the first does not answer, or has no turn for so long that the caller would be sent away; it has limits and a breaker
 * of its own (`second`). When it does not answer either, the first one's error says why, and when it is worth asking again. Vectors have no second.
 */
export function withFallback(first: Governor, second: Governor, model: string, log: Logger): Governor {
  const generate: Governor["generate"] = async (request, signal) => {
    try {
      return await first.generate(request, signal);
    } catch (error) {
      if (signal.aborted || !isAboutModel(error) || (request.model ?? first.name) === model) throw error;
      log.warn({ component: "model", model, reason: asError(error).message }, "the fallback model is asked");
      return await askInstead(second, { ...request, model }, signal, error);
    }
  };
  return {
    ...first,
    generate,
    waiting: () => first.waiting() + second.waiting(),
    wake: () => {
      first.wake();
      second.wake();
    },
    stopWaiting: () => {
      first.stopWaiting();
      second.stopWaiting();
    },
  };
}

async function askInstead(second: Governor, request: GenerateRequest, signal: AbortSignal, before: unknown) {
  request.onRestart?.();
  try {
    return await second.generate(request, signal);
  } catch (error) {
    throw isAboutModel(error) ? before : error;
  }
}

/** Another model may be well, and has a quota of its own. */
function isAboutModel(error: unknown): boolean {
  return error instanceof ForeseenError && (error.code === "model_unavailable" || error.code === "model_quota");
}
