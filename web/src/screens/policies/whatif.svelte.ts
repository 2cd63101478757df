// One run of a what-if: what is asked, the answer, what went wrong.
import { call, Failure } from "../../lib/api/client";
import type { Problem, WhatIf, WhatIfAsk, WhatIfChange } from "../../lib/api/types";

export const PACKS = ["pss-baseline", "pss-restricted", "nsa", "sensible"] as const;
export const OVER = ["now", "history", "both"] as const;
export const KINDS = ["appeared", "disappeared", "changed"] as const;
export type Kind = (typeof KINDS)[number];
export const LARGEST = 1 << 20;

export class Run {
  busy = $state(false);
  answer = $state.raw<WhatIf | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** What the answer is to. */
  asked = $state.raw<WhatIfAsk | null>(null);
  #abort: AbortController | null = null;

  async start(ask: WhatIfAsk): Promise<void> {
    this.stop();
    const abort = (this.#abort = new AbortController());
    this.busy = true;
    this.problem = null;
    try {
      this.answer = await call<WhatIf>("POST", "/policies/what-if", {}, { body: ask, signal: abort.signal });
      this.asked = ask;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.problem = error.problem;
    } finally {
      if (this.#abort === abort) this.busy = false;
    }
  }

  stop(): void {
    this.#abort?.abort();
    this.busy = false;
  }
}

/** How many of the listed changes each namespace has, the most first. */
export function byNamespace(changes: readonly WhatIfChange[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const one of changes) counts.set(one.namespace, (counts.get(one.namespace) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || a.localeCompare(b));
}
