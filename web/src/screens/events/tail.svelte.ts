// The newest events, kept up with while they come. The list is bounded; what came faster than it
// was asked for is counted as skipped, never hidden.
import { Failure, get, type Ask } from "../../lib/api/client";
import { follow } from "../../lib/api/live.svelte";
import type { EventPage, Problem, StoredEvent } from "../../lib/api/types";

const LIMIT = 100;
/** So many are kept; older ones leave at the end. */
const KEPT = 500;

export class Tail {
  items = $state.raw<readonly StoredEvent[]>([]);
  problem = $state.raw<Problem | null>(null);
  ready = $state(false);
  paused = $state(false);
  /** Something came while it was paused. */
  waiting = $state(false);
  /** Events that came between two asks and are not in the list. */
  skipped = $state(0);
  next = $state<string | null>(null);
  #ask: Ask = {};
  #whole = false;
  #abort: AbortController | null = null;

  /** `what` is reactive; null stops. `whole` says that nothing is filtered away, so that numbers
   *  of events have no holes and what is missing can be counted. */
  constructor(what: () => { ask: Ask; whole: boolean } | null) {
    $effect(() => {
      const now = what();
      this.items = [];
      this.skipped = 0;
      this.waiting = false;
      this.ready = false;
      this.next = null;
      if (!now) return;
      this.#ask = now.ask;
      this.#whole = now.whole;
      void this.#load();
      const stop = follow(["event"], () => {
        if (this.paused) this.waiting = true;
        else void this.#load();
      });
      return () => {
        stop();
        this.#abort?.abort();
      };
    });
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.waiting = false;
    void this.#load();
  }

  async older(): Promise<void> {
    if (!this.next) return;
    await this.#ask_({ ...this.#ask, limit: LIMIT, cursor: this.next }, (page) => {
      this.items = [...this.items, ...page.items];
      this.next = page.next;
    });
  }

  async #load(): Promise<void> {
    await this.#ask_({ ...this.#ask, limit: LIMIT }, (page) => this.#take(page));
  }

  async #ask_(ask: Ask, take: (page: EventPage) => void): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    try {
      const page = await get<EventPage>("/events", ask, abort.signal);
      if (abort.signal.aborted) return;
      take(page);
      this.problem = null;
      this.ready = true;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.problem = error.problem;
    }
  }

  #take(page: EventPage): void {
    const known = new Set(this.items.map((one) => one.seq));
    const fresh = page.items.filter((one) => !known.has(one.seq));
    if (!known.size) {
      this.items = page.items;
      this.next = page.next;
      return;
    }
    if (fresh.length === page.items.length && page.next) this.#missed(known, fresh);
    this.items = [...fresh, ...this.items].sort(newestFirst).slice(0, KEPT);
    if (known.size + fresh.length > KEPT) this.next = null;
  }

  /** Nothing of the newest page was known: there is a hole between it and the list. */
  #missed(known: ReadonlySet<number>, fresh: readonly StoredEvent[]): void {
    const before = Math.max(...known);
    const after = Math.max(...fresh.map((one) => one.seq));
    this.skipped += this.#whole ? Math.max(0, after - before - fresh.length) : 1;
  }
}

function newestFirst(a: StoredEvent, b: StoredEvent): number {
  return b.event.ts_ns - a.event.ts_ns || b.seq - a.seq;
}
