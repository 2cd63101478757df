// The newest events, kept up with while they come. The list is bounded; what came faster than it
// was asked for is counted as skipped, never hidden.
import { Failure, get, type Ask } from "../../lib/api/client";
import { followEvents } from "../../lib/api/live.svelte";
import type { Told } from "../../lib/api/topics";
import type { EventPage, Problem, StoredEvent } from "../../lib/api/types";
import { FILTERS, type Filter } from "./ask";

const LIMIT = 100;
/** So many are kept; older ones leave at the end. */
const KEPT = 500;

export class Tail {
  items = $state.raw<readonly StoredEvent[]>([]);
  problem = $state.raw<Problem | null>(null);
  ready = $state(false);
  paused = $state(false);
  /** So many came while it was paused; at least so many where `more` says so. */
  waiting = $state(0);
  more = $state(false);
  /** How far back the list was looked for, where a filter ran out of time before it was full. */
  from = $state<string | null>(null);
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
      this.waiting = 0;
      this.more = false;
      this.ready = false;
      this.next = this.from = null;
      this.problem = null;
      if (!now) return;
      this.#ask = now.ask;
      this.#whole = now.whole;
      void this.#load();
      const stop = followEvents(String(now.ask["filter"] ?? ""), (told) => {
        if (this.paused) this.#count(told);
        else if (this.problem?.status !== 400) void this.#load(); // a wrong condition stays wrong
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
    this.waiting = 0;
    this.more = false;
    void this.#load();
  }

  async older(): Promise<void> {
    if (!this.next) return;
    await this.#ask_({ ...this.#ask, limit: LIMIT, cursor: this.next }, (page) => {
      this.items = [...this.items, ...page.items];
      this.next = page.next;
      this.from = page.complete ? null : page.searched_from;
    });
  }

  /** Notices say how many events came and show some of them. */
  #count(told: readonly Told[]): void {
    for (const one of told) {
      this.more ||= one.count === 0 || one.count > one.items.length;
      for (const notice of one.items) {
        const { count, events, cluster, namespace } = notice as unknown as Shown;
        const fitting = events.filter((event) => FILTERS.every((key) => fits(this.#ask[key], { cluster, namespace, ...event }[key] ?? "")));
        this.waiting += FILTERS.some((key) => wanted(this.#ask[key]).length) ? fitting.length : count;
        this.more ||= fitting.length < events.length ? count > events.length : false;
      }
    }
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
      this.from = page.complete ? null : page.searched_from;
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

interface Shown {
  count: number;
  cluster: string;
  namespace: string;
  events: Partial<Record<Filter, string>>[];
}
const wanted = (asked: Ask[string]): readonly string[] => (Array.isArray(asked) ? (asked as string[]) : asked ? [String(asked)] : []);
const fits = (asked: Ask[string], value: string): boolean => !wanted(asked).length || wanted(asked).includes(value);

function newestFirst(a: StoredEvent, b: StoredEvent): number {
  return b.event.ts_ns - a.event.ts_ns || b.seq - a.seq;
}
