// States of actions: how each looks, and what it says of the world. What is only recommended has
// changed nothing, and a word like "contained" is only there when the server says so.
import type { ActionState, StepState } from "../../lib/api/types";

export type Tone = "plain" | "accent" | "ok" | "warn" | "bad" | "note";

export const STATES = ["recommended", "waiting", "approved", "applying", "applied", "undoing", "stuck", "failed", "refused", "undone", "dismissed", "observed"] as const satisfies readonly ActionState[];
export const KINDS = ["isolate_workload", "block_address", "limit_traffic", "enhanced_monitoring", "verbose_logging", "evidence_snapshot", "cordon_node", "evict_pod", "delete_pod", "scale_to_zero", "webhook"] as const;

const TONES: Partial<Record<ActionState | StepState, Tone>> = {
  recommended: "accent",
  waiting: "warn",
  approved: "note",
  applying: "note",
  applied: "ok",
  undoing: "note",
  stuck: "bad",
  failed: "bad",
  refused: "warn",
};
export const toneOf = (state: ActionState | StepState): Tone => TONES[state] ?? "plain";

/** Something of it stands in the world, or is about to. */
export const stands = (state: ActionState): boolean => ["applying", "applied", "undoing", "stuck"].includes(state);
