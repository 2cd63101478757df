// How states are coloured, and to which versions a proposal goes.
import type { Proposal } from "../../lib/api/types";

type Tone = "plain" | "accent" | "ok" | "warn" | "bad" | "note";

const TONES: Readonly<Record<string, Tone>> = { open: "accent", taken: "ok", done: "ok", ok: "ok", running: "accent", waiting: "note", incomplete: "warn", stale: "warn", refused: "bad", failed: "bad" };
export const stateTone = (state: string): Tone => TONES[state] ?? "plain";

const SHOWN = 3;
/** The versions to go to, each once; `target` is but the highest of them. */
export function targets(one: Proposal): string {
  const every = [...new Set(one.upgrades.map((each) => each.target))];
  const more = every.length - SHOWN;
  return every.length ? `${every.slice(0, SHOWN).join(", ")}${more > 0 ? ` +${more}` : ""}` : one.target;
}
