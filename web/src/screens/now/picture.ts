/**
 * The picture of one thing that needs a person: the stops from outside to the harm.
 *
 * The server gives steps as labels ("Deployment shop/cart") with places. A way in starts with
 * what takes traffic from outside, so the internet is drawn before it; a weakness that stands
 * for itself is drawn by where it lies: repository, file, resource.
 */

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

/** The stops of an item's picture, in order; the last one is where the harm is done. */
export function picture(item: Pictured): Stop[] {
  const stops = item.steps.map(stop);
  if (stops.length < 2) return whereItLies(item);
  const first = stops[0]?.sign;
  if (first === "entry" || first === "service") {
    return [{ ...NOWHERE, sign: "internet", kind: "now.chain.internet", key: true }, ...stops];
  }
  return stops;
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
  const file: Stop = {
    ...NOWHERE,
    sign: "file",
    kind: "now.chain.file",
    key: true,
    name: item.path.slice(item.path.lastIndexOf("/") + 1),
    path: item.path,
    line: item.line,
  };
  const repository: Stop = {
    ...NOWHERE,
    sign: "repository",
    kind: "now.chain.repository",
    key: true,
    name: sourceName(item.source),
  };
  const resource = ofKey(item.resource);
  return [...(item.source ? [repository] : []), file, ...(resource ? [resource] : [])];
}

/** The last part of a repository's address: what people call it. */
export function sourceName(source: string): string {
  const bare = source.replace(/^repo:/, "").replace(/^dir:/, "").replace(/\.git$/, "");
  return bare.replace(/\/+$/, "").split("/").slice(-2).join("/").replace(/^\S*:\/\//, "") || source;
}

/** A Kubernetes object's stop from its key (`k8s:cluster/group/Kind/namespace/name`). */
function ofKey(key: string): Stop | null {
  const parts = /^k8s:[^/]*\/[^/]*\/([^/]+)\/([^/]+)\/(.+)$/.exec(key);
  if (!parts) return null;
  const [kind = "", namespace = "", name = ""] = parts.slice(1).map(decodeURIComponent);
  const sign = SIGNS[kind] ?? "fault";
  return { ...NOWHERE, sign, kind, name: namespace === "-" ? name : `${namespace}/${name}` };
}
