// States of incidents: how each looks and which changes a person may make from it.
import type { IncidentState, Severity } from "../../lib/api/types";
import { has, t } from "../../lib/i18n.svelte";

export const STATES = ["open", "acknowledged", "not_contained", "contained", "resolved", "false_positive"] as const satisfies readonly IncidentState[];
export const LEVELS = ["critical", "high", "medium", "low", "info"] as const satisfies readonly Severity[];

const TONES = { open: "bad", acknowledged: "note", contained: "ok", not_contained: "warn", resolved: "plain", false_positive: "plain" } as const;
export const toneOf = (state: IncidentState): (typeof TONES)[IncidentState] => TONES[state];

export const closed = (state: IncidentState): boolean => state === "resolved" || state === "false_positive";

export type Change = "acknowledged" | "resolved" | "false_positive" | "open";
export function changes(state: IncidentState): Change[] {
  if (closed(state)) return ["open"];
  return state === "open" ? ["acknowledged", "resolved", "false_positive"] : ["resolved", "false_positive"];
}

export const hrefOf = (id: string): string => `/incidents/${encodeURIComponent(id)}`;
/** `mitre_credential_access` in people's words. */
export function tacticName(tactic: string): string {
  const key = `incidents.tactic.${tactic.replace(/^mitre_/, "")}`;
  return has(key) ? t(key) : tactic.replace(/^mitre_/, "").replaceAll("_", " ");
}
