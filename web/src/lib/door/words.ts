// What came of requests and verdicts, in the order of their weight, and how each looks.
export const OUTCOMES = ["denied", "error", "shed", "warned", "unjudged", "audited", "waived", "allowed"] as const;
export type OutcomeName = (typeof OUTCOMES)[number];

/** Drawn from the bottom: what is let through carries the rest. */
export const DRAWN = OUTCOMES.toReversed();

const COLORS: Readonly<Record<OutcomeName, string>> = {
  denied: "--critical",
  error: "--high",
  shed: "--text-3",
  warned: "--medium",
  unjudged: "--note",
  audited: "--low",
  waived: "--info",
  allowed: "--line-strong",
};
const TONES = { denied: "bad", error: "bad", shed: "warn", warned: "warn", unjudged: "warn", audited: "note", waived: "note", allowed: "ok" } as const;
const STATES = { fail: "bad", error: "warn", not_evaluated: "warn", pass: "ok" } as const;
const EFFECTS = { deny: "bad", warn: "warn", audit: "note" } as const;
type Tone = "bad" | "warn" | "note" | "ok" | "plain";

const found = <T>(table: Readonly<Record<string, T>>, name: string, other: T): T => (Object.hasOwn(table, name) ? (table[name] as T) : other);
export const colorOf = (outcome: string): string => found(COLORS, outcome, "--line-strong");
export const toneOf = (outcome: string): Tone => found<Tone>(TONES, outcome, "plain");
export const stateTone = (state: string): Tone => found<Tone>(STATES, state, "plain");
export const effectTone = (effect: string): Tone => found<Tone>(EFFECTS, effect, "plain");

/** What a policy's findings and waivers are called (`admit.naming.rule_id`). */
export const ruleOf = (policy: string): string => (policy.startsWith("rules/") ? policy.slice(6) : `policy:${policy}`);

/** The key of an object as findings carry it (`model.keys`); of one whose name the API server has
 * yet to make, a glob for all such. */
export function keyOf(cluster: string, group: string, kind: string, namespace: string, name: string): string {
  const part = (text: string): string => (text ? encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`) : "-");
  return `k8s:${part(cluster)}/${part(group || "core")}/${part(kind)}/${part(namespace)}/${name ? part(name) : "*"}`;
}
