// How a request is called.
import type { StoredDecision } from "../../lib/api/types";
import { t, word } from "../../lib/i18n.svelte";

type Asked = Pick<StoredDecision, "operation" | "kind" | "subresource" | "name" | "namespace" | "cluster">;

export const OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT"] as const;
/** "create Deployment web", "connect Pod/exec cart-1". */
export const objectOf = (one: Asked): string =>
  t("door.request", { operation: word("door.operation", one.operation), what: `${one.kind}${one.subresource ? `/${one.subresource}` : ""} ${one.name || "…"}` });

/** The last that a webhook says of itself. */
const STOPPING = "it is about to stop";
export const stopped = (one: { ready: boolean; why: string }): boolean => !one.ready && one.why.startsWith(STOPPING);
export const placeOf = (one: Asked): string => [one.cluster === "-" ? "" : one.cluster, one.namespace].filter(Boolean).join("/");
