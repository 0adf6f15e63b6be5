import { subjectOf, type Envelope } from "../envelope.ts";
import type { Agent } from "../settings/settings.ts";
import { isCalled, isSaid } from "./calling.ts";

/** What a judge looks at. */
interface Case {
  readonly envelope: Envelope;
  /** The agents that may speak where it was written, in the order of the settings. */
  readonly candidates: readonly Agent[];
  /** By agent name, where the settings give one for this channel. */
  readonly weights: Readonly<Record<string, number>>;
}

/**
 * What a judge thinks. `agent: null` leaves the choice to the supervisor. The reason is a plain sentence for receipts
 * and logs; it holds no text of the message.
 */
type Opinion =
  | { readonly kind: "ignore"; readonly reason: string }
  | { readonly kind: "answer"; readonly agent: Agent | null; readonly reason: string };

/** One rule with a name. Null: no opinion, the next judge decides. */
export interface Judge {
  readonly name: string;
  readonly opine: (about: Case) => Opinion | null;
}

/** The weight of an agent in a channel where the settings give none. */
const neutralWeight = 0.5;

const ignore = (reason: string): Opinion => ({ kind: "ignore", reason });
const answer = (agent: Agent | null, reason: string): Opinion => ({ kind: "answer", agent, reason });

/** All judges, in the order in which they are asked; the last one always has an opinion. */
export const judges: readonly Judge[] = [
  {
    name: "own-message",
    opine: ({ envelope }) => (envelope.author.kind === "self" ? ignore("the bot wrote it itself") : null),
  },
  {
    name: "bot",
    opine: ({ envelope }) => (envelope.author.kind === "bot" ? ignore("another bot wrote it") : null),
  },
  {
    name: "empty",
    opine: ({ envelope }) => (subjectOf(envelope).trim() === "" ? ignore("there is no text in it") : null),
  },
  {
    name: "channel",
    opine: ({ candidates }) => (candidates.length === 0 ? ignore("no agent may speak in this channel") : null),
  },
  {
    name: "identity",
    opine: ({ envelope, candidates }) => {
      const agent = candidates.find(({ name }) => name === envelope.addressedAgent);
      return agent ? answer(agent, `${agent.displayName} was mentioned or replied to`) : null;
    },
  },
  {
    name: "name",
    opine: ({ envelope, candidates }) => {
      const agent = firstCalled(envelope.text, candidates);
      return agent ? answer(agent, `${agent.displayName} was called by name`) : null;
    },
  },
  {
    name: "keyword",
    opine: ({ envelope, candidates, weights }) => {
      const [best] = candidates
        .filter(({ triggers }) => triggers.keywords.some((keyword) => isSaid(envelope.text, keyword)))
        .sort((a, b) => (weights[b.name] ?? neutralWeight) - (weights[a.name] ?? neutralWeight));
      return best ? answer(best, `a keyword of ${best.displayName} was said`) : null;
    },
  },
  {
    name: "not-addressed",
    opine: ({ envelope }) =>
      envelope.addressed || envelope.audience === "direct"
        ? null
        : ignore("nobody called the bot, and this is a shared channel"),
  },
  {
    name: "addressed",
    opine: ({ candidates: [only, ...others] }) =>
      only && others.length === 0
        ? answer(only, `${only.displayName} is the only agent here`)
        : answer(null, "the bot was addressed and no agent by name, so the supervisor chooses"),
  },
];

/** The agent whose name stands first in the text; of two that begin at one place, the longer name. */
function firstCalled(text: string, candidates: readonly Agent[]): Agent | null {
  const calls = candidates
    .filter(({ triggers }) => triggers.mention)
    .flatMap((agent) => [agent.displayName, agent.name].map((name) => ({ agent, name, at: isCalled(text, name) })))
    .filter(({ at }) => at !== null)
    .sort((a, b) => Number(a.at) - Number(b.at) || b.name.length - a.name.length);
  return calls[0]?.agent ?? null;
}
