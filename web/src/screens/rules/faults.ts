/** What lint says of a rule, in the page's words: what kind of fault, how bad, what to do. */
import type { RuleFault } from "../../lib/api/types";
import { has, t, word } from "../../lib/i18n.svelte";

export type Tone = "bad" | "warn" | "note" | "plain";
const TONES: Readonly<Record<string, Tone>> = { critical: "bad", high: "bad", medium: "warn", low: "note", info: "plain" };

export const toneOf = (fault: RuleFault): Tone => TONES[fault.severity] ?? "plain";
export const nameOf = (code: string): string => word("rules.fault", code);
export const adviceOf = (code: string): string => (has(`rules.advice.${code}`) ? t(`rules.advice.${code}`) : "");

/** One chip a kind, the worst first. */
export function kinds(faults: readonly RuleFault[]): { code: string; tone: Tone; title: string; n: number }[] {
  const order = Object.keys(TONES);
  const found = new Map<string, RuleFault[]>();
  for (const one of faults) found.set(one.code, [...(found.get(one.code) ?? []), one]);
  return [...found]
    .map(([code, all]) => ({ code, all: all.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity)) }))
    .sort((a, b) => order.indexOf(a.all[0]?.severity ?? "") - order.indexOf(b.all[0]?.severity ?? ""))
    .map(({ code, all }) => ({ code, tone: all[0] ? toneOf(all[0]) : "plain", title: all.map((one) => `${one.message}${one.why ? `: ${one.why}` : ""}`).join("\n"), n: all.length }));
}
