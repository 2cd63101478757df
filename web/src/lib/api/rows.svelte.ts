// A long list, of which only the part in sight is kept. The API gives cursor pages: a page is asked
// from the nearest cursor known before it. A jump far ahead skips the rows between, where the API
// can (`skips`), else it walks over them in large steps. Far pages are let go. The live stream asks
// the pages in sight again, in place.
import { untrack } from "svelte";

import { Failure, look, type Ask } from "./client";
import { follow } from "./live.svelte";
import type { Request } from "./loaded.svelte";
import type { Topic } from "./topics";
import type { Page, Problem } from "./types";

const SIZE = 200;
const KEPT_PAGES = 12;
/** Rows that one request may give, and may skip. */
const STEP = 1000;
const MOST_SKIPPED = 100_000;

/** One request: from the cursor of page `from`, to be shown from page `page` on. */
interface Hop {
  from: number;
  page: number;
  limit: number;
}

export class Rows<T> {
  /** Rows known to exist: the total where the API counts, else what was walked so far. */
  total = $state(0);
  /** True when `total` is counted, not a lower bound. */
  counted = $state(false);
  problem = $state.raw<Problem | null>(null);
  busy = $state(false);
  /** True once the first page of the present request is there. */
  ready = $state(false);
  request = $state.raw<Request | null>(null);
  readonly #skips: boolean;
  #pages = $state.raw<ReadonlyMap<number, T[]>>(new Map());
  /** Page → the cursor that it begins after, as far as known. */
  #cursors = new Map<number, string | null>();
  /** The page after the last one, once it is known. */
  #end = Infinity;
  #sight: [number, number] = [0, 0];
  #abort: AbortController | null = null;
  #walking = false;
  #stale = false;

  /**
   * As `Loaded`: `what` is reactive, `topics` refresh what is in sight. `skips`: the operation
   * takes `skip`.
   */
  constructor(what: () => Request | null, topics: readonly Topic[] = [], options: { skips?: boolean } = {}) {
    this.#skips = options.skips ?? false;
    $effect(() => {
      const request = what();
      untrack(() => this.#turnTo(request));
      return () => this.#abort?.abort();
    });
    if (topics.length) $effect(() => follow(topics, () => this.refresh()));
  }

  at(index: number): T | undefined {
    return this.#pages.get(Math.floor(index / SIZE))?.[index % SIZE];
  }

  /** Called by the table with the rows in sight. */
  see(from: number, to: number): void {
    this.#sight = [from, to];
    untrack(() => void this.#walk()); // called from an effect of the table
  }

  /** Asks again for what is in sight. Rows in sight stay until the new ones are there. */
  refresh(): void {
    this.#stale = true;
    void this.#walk();
  }

  #turnTo(request: Request | null): void {
    const other = request?.path !== this.request?.path;
    this.request = request;
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#cursors = new Map([[0, null]]);
    this.#end = Infinity;
    this.#sight = [0, 40];
    this.#stale = false;
    this.#walking = false;
    this.ready = false;
    if (other || !request) this.#show(new Map(), 0, false);
    if (request) void this.#walk();
  }

  /** The first and the last page in sight. */
  #inSight(): [number, number] {
    return [Math.max(0, Math.floor(this.#sight[0] / SIZE)), Math.floor(Math.max(0, this.#sight[1] - 1) / SIZE)];
  }

  #wanted(): number | null {
    if (!this.ready) return 0; // the first page tells how many there are
    const [first, last] = this.#inSight();
    for (let page = first; page <= last && page < this.#end; page++) if (!this.#pages.has(page)) return page;
    return null;
  }

  #hop(page: number): Hop {
    const from = Math.max(...[...this.#cursors.keys()].filter((known) => known <= page));
    if (from === page) return { from, page, limit: SIZE };
    if (this.#skips) return { from, page: Math.min(page, from + MOST_SKIPPED / SIZE), limit: SIZE };
    return { from, page: from, limit: STEP };
  }

  async #walk(): Promise<void> {
    if (this.#walking || !this.request) return;
    const abort = this.#abort;
    this.#walking = true;
    this.busy = true;
    try {
      for (;;) {
        if (this.#stale) await this.#again(abort);
        const page = this.#wanted();
        if (page === null) break;
        await this.#fetch(this.#hop(page), abort);
      }
      this.problem = null;
    } catch (error) {
      if (abort?.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.problem = error.problem;
    } finally {
      if (abort === this.#abort) {
        this.#walking = false;
        this.busy = false;
      }
    }
  }

  /** Pages in sight once more; those after them follow from their new cursors when seen. */
  async #again(abort: AbortController | null): Promise<void> {
    this.#stale = false;
    const [first, last] = this.#inSight();
    for (const page of [...this.#cursors.keys()]) if (page > first) this.#cursors.delete(page);
    this.#end = Infinity;
    for (let page = first; page <= last && page < this.#end; ) {
      const hop = this.#hop(page);
      await this.#fetch(hop, abort);
      page = Math.max(hop.page + hop.limit / SIZE, page);
    }
    const kept = new Map([...this.#pages].filter(([page]) => page >= first && page <= last));
    this.#show(kept, this.total, this.counted);
  }

  async #fetch(hop: Hop, abort: AbortController | null): Promise<void> {
    const { path, ask } = this.request as Request;
    const full: Ask = { ...ask, limit: hop.limit, cursor: this.#cursors.get(hop.from) ?? null, skip: (hop.page - hop.from) * SIZE || null };
    const answer = await look<Page<T>>(path, full, abort?.signal);
    if (abort?.signal.aborted) throw new DOMException("", "AbortError");
    const pages = new Map(this.ready ? this.#pages : []);
    for (let at = 0; at === 0 || at * SIZE < answer.items.length; at++) pages.set(hop.page + at, answer.items.slice(at * SIZE, (at + 1) * SIZE));
    const next = hop.page + hop.limit / SIZE;
    if (answer.next) this.#cursors.set(next, answer.next);
    else if (!this.#skips || answer.total === null || hop.page * SIZE + answer.items.length >= answer.total) this.#end = hop.page + Math.max(1, Math.ceil(answer.items.length / SIZE));
    const far = [...pages.keys()].sort((a, b) => Math.abs(b - hop.page) - Math.abs(a - hop.page));
    for (const one of far.slice(0, Math.max(0, pages.size - KEPT_PAGES))) pages.delete(one);
    const counts = this.#count(hop, answer);
    this.ready = true;
    this.#show(pages, ...counts);
  }

  /** How many rows there are, and whether that is certain. */
  #count(hop: Hop, answer: Page<T>): [number, boolean] {
    const known = hop.page * SIZE + answer.items.length;
    if (answer.total !== null) return [answer.total, true];
    const before = this.ready ? this.total : 0;
    if (answer.next) return [Math.max(known + 1, before), this.ready && this.counted];
    return answer.items.length || !hop.page ? [known, true] : [Math.min(known, before), false]; // a jump past the end
  }

  #show(pages: ReadonlyMap<number, T[]>, total: number, counted: boolean): void {
    this.#pages = pages;
    this.total = total;
    this.counted = counted;
  }
}

/** The same face for rows that are all there already (rules, groups). */
export interface RowsLike<T> {
  readonly total: number;
  readonly ready: boolean;
  at(index: number): T | undefined;
  see(from: number, to: number): void;
}

export function fixedRows<T>(items: readonly T[] | null): RowsLike<T> {
  return { total: items?.length ?? 0, ready: items !== null, at: (index) => items?.[index], see: () => {} };
}
