// Rules over what is stored: what would have fired, shown while it is looked for.
import { Failure, lines } from "../../lib/api/client";
import type { HuntMatch, HuntRequest, Problem } from "../../lib/api/types";

interface Line {
  match?: HuntMatch;
  range?: { from: string; to: string };
  scanned?: number;
  counts?: Record<string, number>;
  unread?: string;
  done?: { matched: number; scanned: number; complete: boolean; unread: number; faults: number };
}

/** So many matches are asked for and kept; all are counted. */
const SHOWN = 200;
const DRAW_MS = 150;

export class Hunt {
  state = $state<"idle" | "running" | "stopped" | "done">("idle");
  matches = $state.raw<readonly HuntMatch[]>([]);
  counts = $state.raw<readonly [string, number][]>([]);
  matched = $state(0);
  scanned = $state(0);
  /** How far back it has come. */
  from = $state<string | null>(null);
  /** Nothing of what was asked for is left. */
  complete = $state(false);
  problem = $state.raw<Problem | null>(null);
  #abort: AbortController | null = null;

  stop(): void {
    this.#abort?.abort();
    if (this.state === "running") this.state = "stopped";
  }

  clear(): void {
    this.#abort?.abort();
    this.state = "idle";
    this.matches = [];
    this.counts = [];
    this.matched = this.scanned = 0;
    this.from = null;
    this.problem = null;
    this.complete = false;
  }

  async start(request: Partial<HuntRequest>): Promise<void> {
    this.clear();
    const abort = (this.#abort = new AbortController());
    this.state = "running";
    const found: HuntMatch[] = [];
    const seen: Record<string, number> = {};
    let told: Record<string, number> = {};
    let drawn = 0;
    const draw = (): void => {
      drawn = performance.now();
      this.matches = [...found];
      const all = new Set([...Object.keys(seen), ...Object.keys(told)]);
      this.counts = [...all].map((name): [string, number] => [name, Math.max(seen[name] ?? 0, told[name] ?? 0)]).sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
      this.matched = this.counts.reduce((sum, [, n]) => sum + n, 0);
    };
    try {
      for await (const line of lines<Line>("/hunts", {}, abort.signal, { limit: SHOWN, ...request })) {
        if (abort.signal.aborted) return;
        if (line.match) {
          found.push(line.match);
          seen[line.match.rule] = (seen[line.match.rule] ?? 0) + 1;
        }
        if (line.scanned !== undefined) this.scanned = line.scanned;
        if (line.counts) told = line.counts;
        if (line.range) this.from = line.range.from;
        if (line.done) {
          this.complete = line.done.complete;
          this.scanned = line.done.scanned;
        }
        if (found.length === 1 || performance.now() - drawn > DRAW_MS) draw();
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
}
