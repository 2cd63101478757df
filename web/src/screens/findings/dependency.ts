// What the evidence of a finding about a package tells, read with care: scans of others wrote it.
export interface Told {
  package: string;
  version: string;
  ecosystem: string;
  path: string[];
  others: number;
  reach: "called" | "imported" | "not_found" | "";
  at: string;
  through: string;
  symbol: string;
  why: string;
  versions: { version: string; line: number; upgrade: string }[];
  fixed: string[];
  since: string;
  epss: number | null;
  score: number | null;
  cvss: string[];
  published: string;
  ids: string[];
  symbols: string[];
}

const REACHES = ["called", "imported", "not_found"] as const;
const DAY = /^\d{4}-\d{2}-\d{2}/;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : []);
const amount = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const date = (value: unknown): string => (DAY.test(text(value)) ? text(value) : "");
const objects = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null) : []);

/** null: not about a package. */
export function told(evidence: Record<string, unknown>): Told | null {
  if (!text(evidence["package"]) || !Array.isArray(evidence["ids"])) return null;
  return {
    package: text(evidence["package"]),
    version: text(evidence["version"]),
    ecosystem: text(evidence["ecosystem"]),
    path: texts(evidence["path"]),
    others: amount(evidence["others"]) ?? 0,
    reach: REACHES.find((one) => one === evidence["reach"]) ?? "",
    at: text(evidence["reach_at"]),
    through: text(evidence["reach_through"]),
    symbol: text(evidence["reach_symbol"]),
    why: text(evidence["reach_why"]),
    versions: objects(evidence["versions"]).map((one) => ({ version: text(one["version"]), line: amount(one["line"]) ?? 0, upgrade: text(one["upgrade"]) })),
    fixed: texts(evidence["fixed"]),
    since: date(evidence["exploited_since"]),
    epss: amount(evidence["epss"]),
    score: amount(evidence["score"]),
    cvss: texts(evidence["cvss"]),
    published: date(evidence["published"]),
    ids: [...new Set(texts(evidence["ids"]))],
    symbols: [...new Set(objects(evidence["symbols"]).flatMap((one) => texts(one["symbols"])))].slice(0, 50),
  };
}

/** Where the world keeps what is known under an id; "" for ids of one's own. */
export function addressOf(id: string): string {
  if (/^CVE-\d{4}-\d{4,}$/.test(id)) return `https://nvd.nist.gov/vuln/detail/${id}`;
  if (/^GHSA(-[0-9a-z]{4}){3}$/.test(id)) return `https://github.com/advisories/${id}`;
  return /^(PYSEC|GO|RUSTSEC|MAL|OSV)-[0-9-]+$/.test(id) ? `https://osv.dev/vulnerability/${id}` : "";
}

const SHOWN = new Set(["package", "version", "ecosystem", "purl", "path", "others", "reach", "reach_at", "reach_through", "reach_symbol", "reach_why", "versions", "fixed", "exploited_since", "epss", "score", "cvss", "published", "ids", "symbols", "url", "rated"]);
/** What `Dependency` does not show. */
export const rest = (evidence: Record<string, unknown>): Record<string, unknown> => (told(evidence) ? Object.fromEntries(Object.entries(evidence).filter(([key]) => !SHOWN.has(key))) : evidence);

/** A Terraform resource: its address, and the folder of its root module ("": the scan's own). */
export function addressed(resource: string): { root: string; address: string } | null {
  const found = /^tf:([^/]*)\/(.+)$/.exec(resource);
  if (!found?.[2]) return null;
  try {
    return { root: found[1] === "-" ? "" : decodeURIComponent(found[1] ?? ""), address: found[2] };
  } catch {
    return { root: found[1] ?? "", address: found[2] };
  }
}
