// A long list, of which only the part in sight is kept. The API gives cursor pages, so pages are
// walked forward once; from then on each page's cursor is known and any of them can be asked again.
// Far pages are let go. The live stream asks the pages in sight again, in place.
import { untrack } from "svelte";

import { Failure, get, type Ask } from "./client";
import { follow } from "./live.svelte";
import type { Request } from "./loaded.svelte";
import type { Topic } from "./topics";
import type { Page, Problem } from "./types";

const SIZE = 200;
const KEPT_PAGES = 12;

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
  #pages = $state.raw<ReadonlyMap<number, T[]>>(new Map());
  #cursors: (string | null)[] = [null];
  #ended = false;
  #sight: [number, number] = [0, 0];
  #abort: AbortController | null = null;
  #walking = false;
  #stale = false;

  /** As `Loaded`: `what` is reactive, `topics` refresh what is in sight. `limit` of pages: 200. */
  constructor(what: () => Request | null, topics: readonly Topic[] = []) {
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
    this.#cursors = [null];
    this.#ended = false;
    this.#sight = [0, 40];
    this.#stale = false;
    this.#walking = false;
    this.ready = false;
    if (other || !request) this.#show(new Map(), 0, false);
    if (request) void this.#walk();
  }

  #wanted(): number | null {
    const first = Math.max(0, Math.floor(this.#sight[0] / SIZE));
    const last = Math.floor(this.#sight[1] / SIZE);
    for (let page = Math.min(first, this.#cursors.length - 1); page <= last; page++) {
      if (page >= this.#cursors.length) return this.#ended ? null : this.#cursors.length - 1;
      if (!this.#pages.has(page) || !this.ready) return page;
    }
    return null;
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
        await this.#fetch(page, abort);
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
    const first = Math.min(Math.floor(this.#sight[0] / SIZE), this.#cursors.length - 1);
    const last = Math.floor(this.#sight[1] / SIZE);
    this.#cursors.length = first + 1;
    this.#ended = false;
    for (let page = first; page <= last && page < this.#cursors.length; page++) await this.#fetch(page, abort);
    const kept = new Map([...this.#pages].filter(([page]) => page >= first && page <= last));
    this.#show(kept, this.total, this.counted);
  }

  async #fetch(page: number, abort: AbortController | null): Promise<void> {
    const { path, ask } = this.request as Request;
    const full: Ask = { ...ask, limit: SIZE, cursor: this.#cursors[page] ?? null };
    const answer = await get<Page<T>>(path, full, abort?.signal);
    if (abort?.signal.aborted) throw new DOMException("", "AbortError");
    if (answer.next) this.#cursors[page + 1] = answer.next;
    else this.#ended = true;
    const pages = new Map(this.ready ? this.#pages : []);
    pages.set(page, answer.items);
    const far = [...pages.keys()].sort((a, b) => Math.abs(b - page) - Math.abs(a - page));
    for (const one of far.slice(0, Math.max(0, pages.size - KEPT_PAGES))) pages.delete(one);
    const known = page * SIZE + answer.items.length;
    const total = !answer.next ? known : (answer.total ?? Math.max(known + 1, this.ready ? this.total : 0));
    this.ready = true;
    this.#show(pages, total, !answer.next || answer.total !== null);
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
