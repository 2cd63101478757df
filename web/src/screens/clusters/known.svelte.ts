// What is known of clusters: how the server follows them, and how the audit judges them. The two
// are told apart by the API, since the second needs policies.
import { Loaded } from "../../lib/api/loaded.svelte";
import type { AuditCoverage, ClusterList, ClusterShown, CoverageList, Problem } from "../../lib/api/types";
import { withClock } from "../../lib/clock.svelte";
import { may } from "../../lib/session.svelte";

export interface Known {
  name: string;
  shown: ClusterShown | null;
  audit: AuditCoverage | null;
}

export class Clusters {
  readonly list = new Loaded<ClusterList>(() => ({ path: "/clusters" }), ["source"]);
  readonly audits = new Loaded<CoverageList>(() => (may("admission.coverage") ? { path: "/admission/coverage" } : null), ["policy"]);

  /** Use while a component is made. */
  constructor() {
    withClock(() => this.load());
  }
  get ready(): boolean {
    return this.list.value !== null && (this.audits.value !== null || this.audits.request === null || this.audits.problem !== null);
  }
  get problem(): Problem | null {
    return this.list.problem ?? this.audits.problem;
  }
  get all(): Known[] {
    const audits = new Map((this.audits.value?.items ?? []).map((one) => [one.cluster, one]));
    const shown = new Map((this.list.value?.items ?? []).map((one) => [one.name, one]));
    return [...new Set([...shown.keys(), ...audits.keys()])].sort().map((name) => ({ name, shown: shown.get(name) ?? null, audit: audits.get(name) ?? null }));
  }
  load(): void {
    void this.list.load();
    void this.audits.load();
  }
}
