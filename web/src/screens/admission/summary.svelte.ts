// What happened at the door in a span of the reader's choice, asked again while decisions come:
// at most every few seconds, since each of them changes it.
import { follow } from "../../lib/api/live.svelte";
import { Loaded } from "../../lib/api/loaded.svelte";
import type { AdmissionSummary } from "../../lib/api/types";
import { ticking } from "../../lib/clock.svelte";
import { value, values } from "../../lib/router.svelte";

export const SPANS = { "1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 } as const;
export type Span = keyof typeof SPANS;
const PAUSE_MS = 3_000;

export const span = (): Span => (value("range") in SPANS ? (value("range") as Span) : "24h");

/** Use while a component is made. */
export function summary(): Loaded<AdmissionSummary> {
  const minute = $derived(Math.floor(ticking() / 60_000) * 60_000);
  const since = $derived(new Date(minute - SPANS[span()] * 1000).toISOString());
  const loaded = new Loaded<AdmissionSummary>(() => ({ path: "/admission/summary", ask: { since, cluster: values("cluster"), namespace: values("namespace") } }));
  $effect(() => {
    let timer = 0;
    const stop = follow(["admission", "policy"], () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        void loaded.load();
      }, PAUSE_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  });
  return loaded;
}
