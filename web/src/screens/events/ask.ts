/** What the address asks of the events: filters, the span of time, and how the chart counts. */
import type { Ask } from "../../lib/api/client";
import { route, value, values } from "../../lib/router.svelte";

export const FILTERS = ["source", "type", "rule", "priority", "cluster", "namespace", "resource"] as const;
export type Filter = (typeof FILTERS)[number];

export const COUNTED = ["priority", "rule", "source", "namespace", "type"] as const;
export type Counted = (typeof COUNTED)[number];

/** Sources that can be asked for alone; others stand in the list of counts. */
export const SOURCES = ["haechi", "sensor", "falco", "tetragon", "kubernetes-audit", "hubble", "envoy", "admission", "application"] as const;

/** Spans up to now, in seconds, and the step of their chart (whole minutes, then whole hours). */
export const SPANS: Readonly<Record<string, { seconds: number; step: number }>> = {
  "15m": { seconds: 900, step: 60 },
  "1h": { seconds: 3600, step: 60 },
  "6h": { seconds: 21_600, step: 300 },
  "24h": { seconds: 86_400, step: 1800 },
  "7d": { seconds: 604_800, step: 10_800 },
  "30d": { seconds: 2_592_000, step: 43_200 },
};
export const span = (): string => (value("range") in SPANS ? value("range") : "1h");

export const counted = (): Counted => COUNTED.find((one) => one === value("by")) ?? "priority";

/** The filters alone. */
export function filters(): Ask {
  return Object.fromEntries(FILTERS.map((key) => [key, values(key)]));
}
export const anyFilter = (): boolean => FILTERS.some((key) => route.query.has(key)) || Boolean(value("filter"));

/** A span that was chosen in the chart does not move on; without one the list is live. */
export const fixed = (): boolean => Boolean(value("since") || value("until"));

/** The span asked for, in Unix seconds on whole steps, so that equal asks are equal. */
export function bounds(now: number): { since: number; until: number; step: number } {
  if (!fixed()) {
    const { seconds, step } = SPANS[span()] ?? { seconds: 3600, step: 60 };
    const until = Math.ceil(now / 1000 / step) * step;
    return { since: until - seconds, until, step };
  }
  const until = seconds(value("until")) ?? Math.ceil(now / 1000);
  const since = seconds(value("since")) ?? until - 3600;
  const step = stepFor(Math.max(60, until - since));
  return { since: Math.floor(since / step) * step, until: Math.ceil(until / step) * step, step };
}

function stepFor(length: number): number {
  return [60, 300, 1800, 3600, 10_800, 43_200].find((step) => length / step <= 90) ?? 86_400;
}

function seconds(iso: string): number | null {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? null : Math.floor(at / 1000);
}

export const iso = (unix: number): string => new Date(unix * 1000).toISOString().replace(".000Z", "Z");
