/** The fields of an event in groups that people look for, and the line of ancestors. */
import type { Event } from "../../lib/api/types";

export const GROUPS = ["process", "user", "file", "network", "container", "kubernetes", "flow", "application", "call", "other"] as const;
export type Group = (typeof GROUPS)[number];
export interface Entry {
  name: string;
  value: unknown;
}

const CONNECTED = /^fd\.(sip|cip|lip|rip|sport|cport|lport|rport|snet|cnet|lnet|rnet|l4proto|sockfamily|is_server|is_connected|sip\.name|cip\.name)/;
const ANCESTRY = new Set(["proc.aname", "proc.aexe", "proc.aexepath", "proc.acmdline", "proc.apid"]);

function groupOf(name: string, event: Event): Group | null {
  if (name.startsWith("haechi.") || ANCESTRY.has(name)) return null; // shown by themselves
  const [head = ""] = name.split(".");
  if (head === "proc" || head === "thread") return "process";
  if (head === "user" || head === "group") return "user";
  if (CONNECTED.test(name)) return "network";
  if (head === "fd" || head === "fs") return head === "fd" && (event.fields?.["fd.sip"] !== undefined || event.fields?.["fd.rip"] !== undefined) ? "network" : "file";
  if (head === "container") return "container";
  if (head === "k8s" || head === "k8smeta" || head === "ka" || head === "jevt" || head === "json") return "kubernetes";
  if (head === "flow" || head === "http" || head === "dns") return "flow";
  if (head === "app") return "application";
  return head === "evt" || head === "syscall" ? "call" : "other";
}

export function grouped(event: Event): [Group, Entry[]][] {
  const found = new Map<Group, Entry[]>();
  for (const [name, value] of Object.entries(event.fields ?? {})) {
    const group = groupOf(name, event);
    if (group) found.set(group, [...(found.get(group) ?? []), { name, value }]);
  }
  return GROUPS.flatMap((group): [Group, Entry[]][] => {
    const entries = found.get(group);
    return entries ? [[group, entries.sort((a, b) => order(a.name) - order(b.name) || a.name.localeCompare(b.name))]] : [];
  });
}

const FIRST = ["proc.name", "proc.cmdline", "proc.exepath", "proc.cwd", "proc.pid", "user.name", "fd.name", "container.id", "container.name", "container.image.repository", "k8s.ns.name", "k8s.pod.name", "ka.verb", "ka.user.name", "ka.target.resource", "ka.target.subresource", "ka.target.namespace", "ka.target.name", "ka.response.code"];
const order = (name: string): number => {
  const at = FIRST.indexOf(name);
  return at < 0 ? FIRST.length : at;
};

export interface Ancestor {
  /** 0 is the process itself, 1 its parent. */
  place: number;
  name: string;
  command: string;
  pid: string;
}

/** From the oldest ancestor that is known down to the process itself. */
export function ancestry(event: Event): Ancestor[] {
  const fields = event.fields ?? {};
  const at = (name: string, place: number): string => {
    const own = fields[`${name}[${place}]`];
    const list = fields[name];
    const found = own ?? (Array.isArray(list) ? list[place] : undefined);
    return found === undefined || found === null ? "" : String(found);
  };
  const lengths = [...ANCESTRY].map((name) => (Array.isArray(fields[name]) ? (fields[name] as unknown[]).length : 0));
  const written = Object.keys(fields).flatMap((name) => Number(/^proc\.a(?:name|cmdline|exepath)\[(\d+)\]$/.exec(name)?.[1] ?? 0) + 1);
  const known = Math.min(32, Math.max(0, ...lengths, ...(written.length > 1 ? written : [0])));
  const out: Ancestor[] = [];
  for (let place = known - 1; place >= 0; place--) {
    const plain = place === 0 ? "proc." : place === 1 ? "proc.p" : "";
    const given = (name: string): string => (plain && fields[plain + name] !== undefined ? String(fields[plain + name]) : "");
    const name = at("proc.aname", place) || given("name") || at("proc.aexepath", place);
    const command = at("proc.acmdline", place) || given("cmdline");
    const pid = at("proc.apid", place) || (place === 0 ? given("pid") : place === 1 && fields["proc.ppid"] !== undefined ? String(fields["proc.ppid"]) : "");
    if (name || command) out.push({ place, name, command, pid });
  }
  return out;
}
