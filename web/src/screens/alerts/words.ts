// States of deliveries and tickets: how each looks.
export const STATES = ["waiting", "sent", "dead", "skipped"] as const;
const TONES: Record<string, "ok" | "bad" | "note" | "warn" | "plain"> = { sent: "ok", dead: "bad", waiting: "note", well: "ok", failing: "bad", busy: "warn", open: "note", theirs: "warn" };
export const toneOf = (state: string): (typeof TONES)[string] => TONES[state] ?? "plain";
