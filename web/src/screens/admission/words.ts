// How a request is called.
import type { StoredDecision } from "../../lib/api/types";
import { word } from "../../lib/i18n.svelte";

type Asked = Pick<StoredDecision, "operation" | "kind" | "subresource" | "name" | "namespace" | "cluster">;

export const OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT"] as const;
/** "create Deployment web", "connect Pod/exec cart-1". */
export const objectOf = (one: Asked): string =>
  `${word("door.operation", one.operation)} ${one.kind}${one.subresource ? `/${one.subresource}` : ""} ${one.name || "…"}`;
export const placeOf = (one: Asked): string => [one.cluster === "-" ? "" : one.cluster, one.namespace].filter(Boolean).join("/");
