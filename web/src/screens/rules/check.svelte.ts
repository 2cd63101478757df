// What the server says of a rule file while it is written: asked after a pause in typing, the last
// question alone counts. Nothing is kept by asking.
import { untrack } from "svelte";

import { call, Failure } from "../../lib/api/client";
import type { Problem, RuleCheck } from "../../lib/api/types";
import { may } from "../../lib/session.svelte";

const PAUSE_MS = 600;

export interface Remark {
  line: number;
  column: number;
  tone: "bad" | "warn" | "note";
  name: string;
  text: string;
  why: string;
  code: string;
}

export class Check {
  value = $state.raw<RuleCheck | null>(null);
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);
  #abort: AbortController | null = null;
  #timer = 0;

  /** `what` is reactive. */
  constructor(what: () => { name: string; text: string }) {
    $effect(() => {
      const { name, text } = what();
      clearTimeout(this.#timer);
      this.#abort?.abort();
      if (!may("runtime.check")) return;
      untrack(() => {
        this.busy = true;
        this.#timer = window.setTimeout(() => void this.#ask(name, text), this.value ? PAUSE_MS : 0);
      });
      return () => clearTimeout(this.#timer);
    });
    $effect(() => () => this.#abort?.abort());
  }

  async #ask(name: string, text: string): Promise<void> {
    const abort = (this.#abort = new AbortController());
    try {
      const value = await call<RuleCheck>("POST", "/runtime/rules/check", {}, { body: { name: name || "rules.yaml", text }, signal: abort.signal });
      if (abort.signal.aborted) return;
      this.value = value;
      this.problem = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.problem = error.problem;
    } finally {
      if (this.#abort === abort && !abort.signal.aborted) this.busy = false;
    }
  }

  /** Problems first, then faults, each by its place. */
  get remarks(): Remark[] {
    const { problems = [], faults = [] } = this.value ?? {};
    const said: Remark[] = [
      ...problems.map((one): Remark => ({ line: one.line, column: one.column, tone: one.error ? "bad" : "warn", name: one.code, text: one.message, why: one.item, code: "" })),
      ...faults.map((one): Remark => ({ line: one.line, column: one.column, tone: ({ critical: "bad", high: "bad", medium: "warn", low: "warn" } as const)[one.severity] ?? "note", name: "", text: one.message, why: one.why, code: one.code })),
    ];
    const order = ["bad", "warn", "note"];
    return said.sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone) || a.line - b.line);
  }
}
