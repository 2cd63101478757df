// One clock for all relative times on the page: it ticks every 15 s while the page is seen.
import { untrack } from "svelte";

let now = $state(Date.now());
setInterval(() => {
  if (document.visibilityState === "visible") now = Date.now();
}, 15_000);

/** Milliseconds since 1970; reading it in a template follows the ticks. */
export const ticking = (): number => now;

/** For what no topic of the stream tells of: asked again with every tick. Call while a component is
 * made. */
export function withClock(ask: () => void): void {
  let before = 0;
  $effect(() => {
    const tick = now;
    if (before && tick !== before) untrack(ask);
    before = tick;
  });
}
