// Findings about packages → one row for each package of a file, as people act: one upgrade there.
// Findings and proposals meet by the finding's fingerprint.
import type { Proposal, Severity, StoredFinding } from "../../lib/api/types";

export const LEVELS = ["critical", "high", "medium", "low", "info"] as const;
export const WHICH = ["exploited", "reached", "fix", "nofix", "shipped", "development"] as const;
/** Types of package URLs as advisories call them. */
const ECOSYSTEMS: Readonly<Record<string, string>> = { pypi: "PyPI", npm: "npm", golang: "Go", cargo: "crates.io", maven: "Maven", gem: "RubyGems", composer: "Packagist", nuget: "NuGet" };

export interface Affected {
  key: string;
  source: string;
  cluster: string;
  path: string;
  line: number;
  ecosystem: string;
  name: string;
  versions: string[];
  findings: StoredFinding[];
  counts: Record<string, number>;
  severity: Severity;
  malicious: boolean;
  exploited: boolean;
  development: boolean;
  /** "" : not known. */
  reach: "reached" | "not_reached" | "";
  proposal: Proposal | null;
}

/** What a package URL names; null for what is none. */
function named(purl: string): { base: string; ecosystem: string; name: string; version: string } | null {
  const whole = /^pkg:([a-z0-9.+-]+)\/([^?#]+)/.exec(purl);
  if (!whole?.[1] || !whole[2]) return null;
  const cut = whole[2].lastIndexOf("@");
  const path = cut > 0 ? whole[2].slice(0, cut) : whole[2];
  const join = whole[1] === "maven" ? ":" : "/";
  return { base: `${whole[1]}/${path}`, ecosystem: ECOSYSTEMS[whole[1]] ?? whole[1], name: path.split("/").map(plain).join(join), version: cut > 0 ? plain(whole[2].slice(cut + 1)) : "" };
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The catalogue's own rules about packages (licences, pins …) are no vulnerabilities. */
const known = (finding: StoredFinding): boolean => !finding.rule.startsWith("deps-");

export function grouped(findings: readonly StoredFinding[], proposals: readonly Proposal[]): Affected[] {
  const by = new Map<string, Proposal>();
  for (const one of proposals) for (const fix of one.fixes) by.set(`${one.cluster}\n${one.source}\n${one.ref}\n${fix.fingerprint}`, one);
  const rows = new Map<string, Affected>();
  for (const finding of findings) {
    const it = known(finding) ? named(finding.resource) : null;
    if (!it) continue;
    const key = [finding.cluster, finding.source, finding.ref, finding.path, it.base].join("\n");
    const row = rows.get(key) ?? begun(key, finding, it);
    rows.set(key, row);
    add(row, finding, it.version);
    row.proposal ??= by.get(`${finding.cluster}\n${finding.source}\n${finding.ref}\n${finding.fingerprint}`) ?? null;
  }
  for (const row of rows.values()) if (row.proposal?.versions.length) row.versions = row.proposal.versions;
  return [...rows.values()].sort((a, b) => weight(b) - weight(a) || a.name.localeCompare(b.name) || a.path.localeCompare(b.path));
}

function begun(key: string, finding: StoredFinding, it: { ecosystem: string; name: string }): Affected {
  const { source, cluster, path, line, severity } = finding;
  return { key, source, cluster, path, line, ecosystem: it.ecosystem, name: it.name, versions: [], findings: [], counts: {}, severity, malicious: false, exploited: false, development: true, reach: "", proposal: null };
}

function add(row: Affected, finding: StoredFinding, version: string): void {
  row.findings.push(finding);
  row.counts[finding.severity] = (row.counts[finding.severity] ?? 0) + 1;
  if (LEVELS.indexOf(finding.severity) < LEVELS.indexOf(row.severity)) row.severity = finding.severity;
  if (version && !row.versions.includes(version)) row.versions.push(version);
  row.malicious ||= finding.tags.includes("malicious");
  row.exploited ||= finding.tags.includes("exploited");
  row.development &&= finding.tags.includes("development");
  if (finding.tags.includes("reached")) row.reach = "reached";
  else if (finding.tags.includes("not-reached")) row.reach ||= "not_reached";
}

/** What is exploited or malicious first, then the worst, then what is reached, then the most. */
const weight = (row: Affected): number =>
  (row.malicious || row.exploited ? 1e6 : 0) + (LEVELS.length - LEVELS.indexOf(row.severity)) * 1e5 + (row.reach === "reached" ? 5e4 : row.reach ? 0 : 2e4) + (row.development ? 0 : 1e4) + Math.min(row.findings.length, 9_999);

export const cleared = (row: Affected): number => row.proposal?.fixes.filter((one) => one.cleared).length ?? 0;

export interface Narrowing {
  text: string;
  ecosystem: string;
  source: string;
  severity: string;
  which: string;
}

export function fits(row: Affected, by: Narrowing): boolean {
  const text = by.text.toLowerCase();
  const which: Record<string, boolean> = { exploited: row.exploited || row.malicious, reached: row.reach === "reached", fix: row.proposal !== null, nofix: row.proposal === null, shipped: !row.development, development: row.development };
  return (
    (!by.ecosystem || row.ecosystem === by.ecosystem) &&
    (!by.source || row.source === by.source) &&
    (!by.severity || LEVELS.indexOf(row.severity) <= LEVELS.indexOf(by.severity as Severity)) &&
    (which[by.which] ?? true) &&
    (!text || [row.name, row.path, ...row.findings.flatMap((one) => [one.rule, ...one.aliases])].some((one) => one.toLowerCase().includes(text)))
  );
}
