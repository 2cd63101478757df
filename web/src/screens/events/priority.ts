/** Priorities of events, worst first (the severities of RFC 5424, as Falco names them). */
export const PRIORITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"] as const;

export type Tone = "bad" | "warn" | "note" | "plain";

export function toneOf(priority: string): Tone {
  const at = PRIORITIES.indexOf(priority as (typeof PRIORITIES)[number]);
  if (at < 0 || at > 5) return "plain";
  return at < 4 ? "bad" : at === 4 ? "warn" : "note";
}

/** Priorities in their own order; other names stay as they come. */
export function sortedNames<T>(by: string, lines: [string, T][]): [string, T][] {
  if (by !== "priority") return lines;
  const rank = (name: string): number => {
    const at = PRIORITIES.indexOf(name as (typeof PRIORITIES)[number]);
    return at < 0 ? PRIORITIES.length : at;
  };
  return [...lines].sort(([a], [b]) => rank(a) - rank(b));
}
