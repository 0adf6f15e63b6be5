import { makeGemini } from "../../src/model/gemini.ts";
import { makeOffline } from "../../src/model/offline.ts";
import { startGeminiSimulator } from "../simulators/gemini/simulator.ts";
import { modelConformance } from "./model.ts";

modelConformance("the offline model", async () => ({ model: makeOffline(), close: async () => {} }));

modelConformance("Gemini", async () => {
  const simulator = await startGeminiSimulator();
  const model = makeGemini({
    apiKey: "canary-key",
    model: "gemini-3.5-flash-lite",
    embeddingModel: "gemini-embedding-001",
    embeddingDimensions: 768,
    baseUrl: simulator.url,
  });
  return { model, close: () => simulator.stop() };
});
