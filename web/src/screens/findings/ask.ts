// The view's filter, from the query string to the API's words and back to chips.
import type { Ask } from "../../lib/api/client";
import { value, values } from "../../lib/router.svelte";

export const LISTS = ["state", "severity", "domain", "rule", "owner", "source", "resource", "tag", "waiver"] as const;
export const GROUPS = ["rule", "resource", "path", "owner", "source", "namespace"] as const;
export type Group = (typeof GROUPS)[number];

/** What `findings.list`, `.facets` and `.groups` are asked. */
export function filter(): Ask {
  const ask: Record<string, string | string[] | boolean> = {};
  for (const key of [...LISTS, "cluster", "namespace"]) ask[key] = values(key);
  for (const key of ["text", "path"]) ask[key] = value(key);
  ask["overdue"] = value("overdue") === "true";
  ask["other_refs"] = value("other_refs") === "true";
  return ask;
}

/** True when anything narrows the list, the scope left aside. */
export const narrowed = (): boolean =>
  LISTS.some((key) => values(key).length) || ["text", "path", "overdue", "other_refs"].some((key) => value(key));

/** Keys to take away for "clear". */
export const CLEAR: Record<string, null> = Object.fromEntries([...LISTS, "text", "path", "overdue", "other_refs"].map((key) => [key, null]));

export const group = (): Group | "" => {
  const by = value("group");
  return (GROUPS as readonly string[]).includes(by) ? (by as Group) : "";
};
