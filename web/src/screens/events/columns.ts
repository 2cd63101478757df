/** Which columns a list of one source has: what its events say, in its own words. */
import type { Event } from "../../lib/api/types";

export interface Shown {
  /** Its head: `events.col.<id>`. */
  id: string;
  of: (event: Event) => string;
  /** A share of the width. */
  wide?: number;
  mono?: boolean;
}

const text = (value: unknown): string =>
  value === undefined || value === null ? "" : Array.isArray(value) ? value.map(String).join(" ") : typeof value === "object" ? JSON.stringify(value) : String(value);
/** The first of these fields that is there. */
const field = (...names: string[]) => (event: Event): string => {
  for (const name of names) {
    const found = text(event.fields?.[name]);
    if (found) return found;
  }
  return "";
};
const path = (...parts: string[]): string => parts.filter(Boolean).join("/");

const CALLS: readonly Shown[] = [
  { id: "type", of: (event) => event.type },
  { id: "process", of: field("proc.cmdline", "proc.name"), wide: 3, mono: true },
  { id: "object", of: (event) => field("fd.name", "evt.arg.path", "evt.arg.name", "evt.arg.filename", "evt.arg.target")(event), wide: 2, mono: true },
  { id: "user", of: field("user.name", "user.uid") },
  { id: "container", of: (event) => field("k8s.pod.name", "container.name", "container.id")(event) },
];
const FLOWS: readonly Shown[] = [
  { id: "verdict", of: field("flow.verdict") },
  { id: "from", of: (event) => path(field("flow.source.namespace")(event), field("flow.source.workload", "fd.cip")(event)), wide: 2 },
  { id: "to", of: (event) => path(field("flow.destination.namespace")(event), field("flow.destination.workload", "fd.sip")(event)), wide: 2 },
  { id: "port", of: (event) => [field("fd.l4proto")(event), field("fd.sport")(event)].filter(Boolean).join(" ") },
  { id: "request", of: (event) => [field("http.method")(event), field("http.path", "flow.dns.query")(event), field("http.status")(event)].filter(Boolean).join(" "), wide: 2, mono: true },
];
const BY_SOURCE: Readonly<Record<string, readonly Shown[]>> = {
  sensor: CALLS,
  tetragon: CALLS,
  "kubernetes-audit": [
    { id: "verb", of: (event) => event.type },
    { id: "target", of: (event) => path(field("ka.target.resource")(event), field("ka.target.subresource")(event)), wide: 1 },
    { id: "name", of: (event) => path(field("ka.target.namespace")(event), field("ka.target.name")(event)), wide: 2 },
    { id: "user", of: field("ka.user.name"), wide: 2 },
    { id: "code", of: field("ka.response.code") },
  ],
  hubble: FLOWS,
  envoy: FLOWS,
  application: [
    { id: "type", of: (event) => event.type },
    { id: "user", of: field("app.user") },
    { id: "ip", of: field("app.ip") },
    { id: "outcome", of: field("app.outcome") },
    { id: "message", of: (event) => event.message || field("app.message")(event), wide: 3 },
  ],
};

/** The columns when this is the only source that is asked for; null: those of all. */
export const columnsOf = (sources: readonly string[]): readonly Shown[] | null => (sources.length === 1 ? (BY_SOURCE[sources[0] ?? ""] ?? null) : null);
