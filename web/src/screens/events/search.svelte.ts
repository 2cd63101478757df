// A search through all events kept, newest first, shown while it runs: what was found, how far
// back it has come, and a way to stop it.
import { Failure, lines, type Ask } from "../../lib/api/client";
import type { Problem, StoredEvent } from "../../lib/api/types";

interface Line {
  event?: StoredEvent;
  range?: { searched_from: string; searched_to: string; complete: boolean };
  done?: unknown;
}

const MOST = 500;

export class Search {
  items = $state.raw<readonly StoredEvent[]>([]);
  from = $state<string | null>(null);
  to = $state<string | null>(null);
  /** Nothing that was asked for is left to search. */
  complete = $state(false);
  state = $state<"idle" | "running" | "stopped" | "done" | "full">("idle");
  problem = $state.raw<Problem | null>(null);
  #abort: AbortController | null = null;

  /** `what` is reactive; null is no search. */
  constructor(what: () => Ask | null) {
    $effect(() => {
      const ask = what();
      this.#clear();
      if (ask) void this.#run(ask);
      return () => {
        this.#abort?.abort();
        this.#abort = null;
      };
    });
  }

  stop(): void {
    this.#abort?.abort();
    if (this.state === "running") this.state = "stopped";
  }

  #clear(): void {
    this.items = [];
    this.from = this.to = null;
    this.problem = null;
    this.complete = false;
    this.state = "idle";
  }

  async #run(ask: Ask): Promise<void> {
    const abort = (this.#abort = new AbortController());
    this.state = "running";
    const found: StoredEvent[] = [];
    let drawn = 0;
    const draw = (): void => {
      this.items = [...found];
      drawn = performance.now();
    };
    try {
      for await (const line of lines<Line>("/events/search", { ...ask, limit: MOST }, abort.signal)) {
        if (abort.signal.aborted) return;
        if (line.event) found.push(line.event);
        if (line.range) this.#searched(line.range);
        if (performance.now() - drawn > 150) draw();
        if (found.length >= MOST) {
          this.state = "full";
          abort.abort();
          return;
        }
      }
      this.state = "done";
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.problem = error.problem;
      this.state = "done";
    } finally {
      if (this.#abort === abort) draw();
    }
  }

  #searched(range: NonNullable<Line["range"]>): void {
    this.complete = range.complete;
    if (this.from === null || range.searched_from < this.from) this.from = range.searched_from;
    if (this.to === null || range.searched_to > this.to) this.to = range.searched_to;
  }
}
