import { parseArgs } from "node:util";
import { startGeminiSimulator } from "./simulator.ts";

const help = `A Gemini API on loopback that does what it is told: npm run sim:gemini -- [options]
  --port N        8900 unless told otherwise
  --rpm N         requests a minute; more are counted as violations
  --tpm N         tokens a minute
  --rpd N         requests a day
  --enforce       refuse what breaks a limit with 429, as Gemini does
  --latency MS    until the first token
  --chunk MS      between the pieces of a stream

Control: POST /control/script with one behaviour or a list of them, such as {"fault": "503", "times": 2};
POST /control/clear; GET /control/requests; GET /control/report lists the faults it knows.
`;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8900" },
    rpm: { type: "string" },
    tpm: { type: "string" },
    rpd: { type: "string" },
    enforce: { type: "boolean", default: false },
    latency: { type: "string", default: "0" },
    chunk: { type: "string", default: "0" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(help);
} else {
  const simulator = await startGeminiSimulator({
    port: Number(values.port),
    requestsPerMinute: numberOrNull(values.rpm),
    tokensPerMinute: numberOrNull(values.tpm),
    requestsPerDay: numberOrNull(values.rpd),
    enforce: values.enforce,
    firstTokenMs: Number(values.latency),
    chunkMs: Number(values.chunk),
  });
  process.stdout.write(
    `Gemini simulator at ${simulator.url}\nGEMINI_API_KEY=x GEMINI_BASE_URL=${simulator.url} npm start\n`,
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void simulator.stop());
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
