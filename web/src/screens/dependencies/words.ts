// How states are coloured.
type Tone = "plain" | "accent" | "ok" | "warn" | "bad" | "note";

const TONES: Readonly<Record<string, Tone>> = { open: "accent", taken: "ok", done: "ok", ok: "ok", running: "accent", waiting: "note", incomplete: "warn", stale: "warn", refused: "bad", failed: "bad" };
export const stateTone = (state: string): Tone => TONES[state] ?? "plain";
