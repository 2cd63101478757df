// One answer of the API on a screen: asked again when the URL or the live stream says so. The old
// value stays while the new one is on its way, so that nothing jumps.
import { untrack } from "svelte";

import { Failure, look, type Ask } from "./client";
import { follow } from "./live.svelte";
import type { Topic } from "./topics";
import type { Problem } from "./types";

export interface Request {
  path: string;
  ask?: Ask;
}

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  busy = $state(false);
  /** What is asked now: for `ApiCall`. */
  request = $state.raw<Request | null>(null);
  #abort: AbortController | null = null;
  #key = "";

  /**
   * Use while a component is made. `what` is reactive: its result is asked whenever it changes;
   * null asks nothing. `topics` ask again when the stream tells of them.
   */
  constructor(what: () => Request | null, topics: readonly Topic[] = []) {
    $effect(() => {
      const request = what();
      untrack(() => this.#turnTo(request));
      return () => this.#abort?.abort();
    });
    if (topics.length) $effect(() => follow(topics, () => void this.load()));
  }

  #turnTo(request: Request | null): void {
    this.request = request;
    const path = request?.path ?? "";
    if (path !== this.#key) this.value = null; // another thing, not another filter
    this.#key = path;
    if (request) void this.load();
  }

  async load(): Promise<void> {
    const request = this.request;
    if (!request) return;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.busy = true;
    try {
      const value = await look<T>(request.path, request.ask ?? {}, abort.signal);
      if (abort.signal.aborted) return;
      this.value = value;
      this.problem = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.problem = error.problem;
    } finally {
      if (this.#abort === abort) this.busy = false;
    }
  }
}
