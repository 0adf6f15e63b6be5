import { entrypoint } from "@langchain/langgraph";
import type { Attached, Progress, Receipt } from "../chat/chat.ts";
import type { Envelope, Priority } from "../envelope.ts";
import type { Recalled } from "../memory/memory.ts";
import type { Model } from "../model/model.ts";
import type { Agent, Snapshot } from "../settings/settings.ts";
import { supervise } from "./supervisor.ts";

/** What thinking starts from. */
export interface Thought {
  readonly envelope: Envelope;
  readonly priority: Priority;
  readonly snapshot: Snapshot;
  /** What routing decided: the agent, or those the supervisor chooses among. */
  readonly routed: {
    readonly agent: Agent | null;
    readonly candidates: readonly Agent[];
    readonly reason: string;
    readonly weights: Readonly<Record<string, number>>;
  };
  readonly recalled: Recalled;
  readonly attached: readonly Attached[];
  readonly show: (progress: Progress) => void;
}

/** A finished answer, before it is stored; `waitedMs` is the part of its time that the quota took. */
export interface Thinking {
  readonly text: string;
  readonly agent: Agent;
  readonly chosenBy: Receipt["chosenBy"];
  readonly reason: string;
  readonly model: string;
  readonly promptRevision: string;
  readonly tokens: Receipt["tokens"];
  readonly waitedMs: number;
  readonly notes: readonly string[];
}

export type Think = (thought: Thought, signal: AbortSignal) => Promise<Thinking>;

/**
 * The graph of one turn: the supervisor answers, and if it hands over, the other agent does. LangGraph's functional entrypoint, without a
 * checkpointer: the inbox is the durable layer, and a checkpoint per step cost 20 ms a turn.
 */
export function makeThink(model: Model): Think {
  const turn = async ({ thought, signal }: { thought: Thought; signal: AbortSignal }): Promise<Thinking> => {
    const first = await supervise(model, thought, null, signal);
    if (first.handoff === null) return first.thinking;
    const second = await supervise(model, thought, { from: first.thinking, to: first.handoff }, signal);
    return second.thinking;
  };
  const graph = entrypoint({ name: "turn" }, turn);
  // The signal travels with the input: given to LangGraph, it would end the run with an error of its own before the model's says why.
  return async (thought, signal) => await graph.invoke({ thought, signal });
}
