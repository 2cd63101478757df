/**
 * The picture of one thing that needs a person: the stops from outside to the harm.
 *
 * The server gives steps as labels ("Deployment shop/cart") with places. A way in starts with
 * what takes traffic from outside, so the internet is drawn before it; a weakness that stands
 * for itself is drawn by where it lies: repository, file, resource. Steps that do not lead from
 * one to the next (several overdue findings) are no way, and are listed.
 */
import { named, sourceName } from "../../lib/places";
import { href } from "../../lib/router.svelte";

export type Sign =
  | "internet"
  | "entry"
  | "service"
  | "workload"
  | "right"
  | "file"
  | "repository"
  | "image"
  | "fault";

export interface Stop {
  sign: Sign;
  /** Kind in the field's words, or a key of the messages when `key` is set. */
  kind: string;
  key: boolean;
  name: string;
  path: string;
  line: number;
}

interface Step {
  text: string;
  path?: string;
  line?: number;
}

interface Pictured {
  steps: readonly Step[];
  source: string;
  path: string;
  line: number;
  resource: string;
}

const SIGNS: Readonly<Record<string, Sign>> = {
  Ingress: "entry",
  Gateway: "entry",
  HTTPRoute: "entry",
  GRPCRoute: "entry",
  TCPRoute: "entry",
  TLSRoute: "entry",
  UDPRoute: "entry",
  Service: "service",
  Pod: "workload",
  Deployment: "workload",
  StatefulSet: "workload",
  DaemonSet: "workload",
  ReplicaSet: "workload",
  Job: "workload",
  CronJob: "workload",
  Rollout: "workload",
  ServiceAccount: "right",
  Role: "right",
  ClusterRole: "right",
  RoleBinding: "right",
  ClusterRoleBinding: "right",
  dockerfile: "image",
  image: "image",
};

export interface Picture {
  shape: "way" | "list";
  stops: Stop[];
}

/** The stops of an item's picture, in order; the last stop of a way is where the harm is done. */
export function picture(item: Pictured): Picture {
  const stops = item.steps.map(stop);
  if (stops.length < 2) return { shape: "way", stops: item.path ? whereItLies(item) : [] };
  const first = stops[0]?.sign;
  if (first === "entry" || first === "service") {
    return { shape: "way", stops: [{ ...NOWHERE, sign: "internet", kind: "now.chain.internet", key: true }, ...stops] };
  }
  return { shape: stops.every((one) => one.sign === "fault") ? "list" : "way", stops };
}

const NOWHERE = { kind: "", key: false, name: "", path: "", line: 0 } as const;

function stop(step: Step): Stop {
  const place = { path: step.path ?? "", line: step.line ?? 0 };
  const [, kind = "", name = ""] = /^([A-Za-z]+) (\S+)$/.exec(step.text) ?? [];
  const sign = SIGNS[kind];
  if (sign) return { sign, kind, key: false, name, ...place };
  return { sign: "fault", kind: "now.chain.fault", key: true, name: step.text, ...place };
}

function whereItLies(item: Pictured): Stop[] {
  const stops: Stop[] = [];
  if (item.source) {
    const name = sourceName(item.source).replace(/\.git$/, "").split("/").slice(-2).join("/");
    stops.push({ ...NOWHERE, sign: "repository", kind: "now.chain.repository", key: true, name });
  }
  const file = item.path.slice(item.path.lastIndexOf("/") + 1);
  stops.push({ sign: "file", kind: "now.chain.file", key: true, name: file, path: item.path, line: item.line });
  if (item.resource.startsWith("k8s:")) {
    const { kind, name } = named(item.resource);
    stops.push({ ...NOWHERE, sign: SIGNS[kind] ?? "fault", kind, name });
  }
  return stops;
}

/** The list of what was found in a file. */
export function findingsIn(source: string, path: string): string {
  return href(`/findings?${new URLSearchParams({ ...(source ? { source } : {}), path }).toString()}`);
}
