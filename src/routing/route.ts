import type { Envelope } from "../envelope.ts";
import type { Agent, Snapshot } from "../settings/settings.ts";
import { judges } from "./judges.ts";

/** Whether a message is answered and by whom, decided without a model. `judge` names the rule that decided. */
export type Decision =
  | { readonly kind: "ignore"; readonly judge: string; readonly reason: string }
  | {
      readonly kind: "answer";
      /** Null: the supervisor chooses among the candidates. */
      readonly agent: Agent | null;
      readonly judge: string;
      readonly reason: string;
      /** The agents that may speak here, in the order of the settings; at least one. */
      readonly candidates: readonly Agent[];
      /** By agent name, from 0 to 1, where the settings give one for this channel: a hint to the supervisor. */
      readonly weights: Readonly<Record<string, number>>;
    };

/** Asks the judges in their order; the first with an opinion decides. Never throws. */
export function route(envelope: Envelope, snapshot: Snapshot): Decision {
  const candidates = snapshot.agents.filter((agent) => maySpeak(agent, envelope));
  const weights = Object.fromEntries(
    candidates.flatMap(({ name, channels }) => {
      const channel = Object.keys(channels.weights).find((wanted) => isChannel(wanted, envelope));
      return channel === undefined ? [] : [[name, channels.weights[channel] ?? 0]];
    }),
  );
  for (const { name: judge, opine } of judges) {
    const opinion = opine({ envelope, candidates, weights });
    if (opinion?.kind === "ignore") return { ...opinion, judge };
    if (opinion?.kind === "answer") return { ...opinion, judge, candidates, weights };
  }
  throw new Error("the last judge has no opinion");
}

/** Allow and deny speak of the channels of a guild; a direct conversation is none. */
function maySpeak({ channels: { allow, deny } }: Agent, envelope: Envelope): boolean {
  if (envelope.audience === "direct") return true;
  const named = (wanted: string) => isChannel(wanted, envelope);
  return !deny.some(named) && (allow.length === 0 || allow.some(named));
}

function isChannel(wanted: string, { channelId, channelName }: Envelope): boolean {
  return wanted === channelId || plain(wanted) === plain(channelName);
}

function plain(channelName: string): string {
  return channelName.normalize("NFKC").toLowerCase().replace(/^#/, "");
}
