// A waiver in words: which rule, and where it holds.
import type { StoredWaiver } from "../../lib/api/types";
import { t } from "../../lib/i18n.svelte";
import { named, sourceName } from "../../lib/places";

export const STATES = ["active", "expired", "revoked"] as const;

/** Neither a key nor a label: a pattern. */
export const isGlob = (text: string): boolean => /[*?]/.test(text);

export const ruleOf = (waiver: StoredWaiver): string => (waiver.rule === "*" ? t("waivers.anyrule") : waiver.rule);

export function whereOf(waiver: StoredWaiver): string {
  const parts = [
    waiver.fingerprints.length ? t("waivers.these", { n: waiver.fingerprints.length }) : "",
    waiver.path,
    isGlob(waiver.resource) ? waiver.resource : waiver.resource && named(waiver.resource).name,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** Where it may hold at most: a repository, a cluster and namespace. */
export function boundsOf(waiver: StoredWaiver): string {
  const { cluster, namespace } = waiver.reach;
  const place = [cluster, namespace].filter((one) => one !== "*" && one !== "-").join("/");
  return [waiver.source ? sourceName(waiver.source) : "", place].filter(Boolean).join(" · ");
}

/** What it covers, as the list of findings shows it: with other branches, as they are counted. */
export const coveredHref = (id: string, open = ""): string =>
  `/findings?waiver=${encodeURIComponent(id)}&other_refs=true${open ? `&open=${encodeURIComponent(open)}` : ""}`;
