import { parseArgs } from "node:util";
import { realBuckets, usualLimits, type Limits } from "./limits.ts";
import { fillSampleWorld } from "./sample-world.ts";
import { startDiscordSimulator } from "./simulator.ts";

const help = `A Discord on loopback, to be driven by people and programs: npm run sim:discord -- [options]
  --port N             8901 unless told otherwise
  --host ADDRESS       127.0.0.1 unless told otherwise
  --public-url URL     how others reach it; for the addresses of attachments
  --empty              only the reception bot, instead of the sample world
  --real-buckets       rate limits as tight as Discord's
  --limit NAME=VALUE   any of ${Object.keys(usualLimits).join(", ")}; may be repeated

People: open the printed address in a browser.
Programs: GET /control/world, /control/messages?channel=general, /control/report, /control/faults;
POST /control/say {"as": "ann", "channel": "general", "text": "<@ID> hi", "replyTo": "ID"},
/control/edit {"message", "text"}, /control/delete {"message"}, /control/react {"as", "message", "emoji"},
/control/interact {"as", "channel", "command": "ask", "options": {}} or {…, "message", "button": "custom_id"},
/control/faults {"on": "rest", "fault": "429", "path": "/messages$", "times": 2} or a list of them,
/control/call {"on": "faults", "method": "close", "args": [4000]} for everything else; "on": "world" too.
`;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8901" },
    host: { type: "string", default: "127.0.0.1" },
    "public-url": { type: "string" },
    empty: { type: "boolean", default: false },
    "real-buckets": { type: "boolean", default: false },
    limit: { type: "string", multiple: true, default: [] },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(help);
} else {
  const simulator = await startDiscordSimulator({
    port: Number(values.port),
    host: values.host,
    ...(values["public-url"] === undefined ? {} : { publicUrl: values["public-url"] }),
    ...(values["real-buckets"] ? realBuckets : {}),
    ...readLimits(values.limit),
  });
  if (!values.empty) fillSampleWorld(simulator.world);
  process.stdout.write(
    `Discord simulator at ${simulator.url}\nDISCORD_TOKEN=sim DISCORD_API_URL=${simulator.url}/api npm start\n`,
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void simulator.close());
}

function readLimits(given: readonly string[]): Partial<Limits> {
  return Object.fromEntries(given.map(readLimit));
}

function readLimit(text: string): readonly [string, unknown] {
  const [name = "", ...rest] = text.split("=");
  try {
    const value: unknown = JSON.parse(rest.join("="));
    if (name in usualLimits && typeof value === typeof usualLimits[name as keyof Limits]) return [name, value];
  } catch {
    // Said below.
  }
  process.stderr.write(
    `--limit ${text}: it must be NAME=VALUE with a name that --help lists, and in JSON a value of its kind\n`,
  );
  process.exit(78);
}
