// One clock for all relative times on the page: it ticks every 15 s while the page is seen.
let now = $state(Date.now());
setInterval(() => {
  if (document.visibilityState === "visible") now = Date.now();
}, 15_000);

/** Milliseconds since 1970; reading it in a template follows the ticks. */
export const ticking = (): number => now;
