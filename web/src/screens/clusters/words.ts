// Signs of a cluster's and an audit's state.
import { number, t } from "../../lib/i18n.svelte";

type Tone = "ok" | "plain" | "warn" | "bad";
const STATES: Readonly<Record<string, Tone>> = { connected: "ok", dump: "plain", starting: "plain", partial: "warn", lagging: "warn", failed: "bad" };
const AUDITS: Readonly<Record<string, Tone>> = { idle: "ok", auditing: "ok", waiting: "plain", off: "plain", failed: "bad" };
const KINDS: Readonly<Record<string, Tone>> = { followed: "ok", judged: "ok", starting: "plain", absent: "plain", partial: "warn", refused: "warn", not_evaluated: "warn", failed: "bad" };
export const stateTone = (state: string): Tone => STATES[state] ?? "plain";
export const auditTone = (state: string): Tone => AUDITS[state] ?? "plain";
export const kindTone = (state: string): Tone => KINDS[state] ?? "plain";

/** "0.4 s", "3 min". */
export function span(seconds: number): string {
  if (seconds < 90) return t("clusters.seconds", { n: number(seconds, { maximumFractionDigits: seconds < 10 ? 1 : 0 }) });
  return seconds < 5400 ? t("clusters.minutes", { n: number(Math.round(seconds / 60)) }) : t("clusters.hours", { n: number(Math.round(seconds / 3600)) });
}
