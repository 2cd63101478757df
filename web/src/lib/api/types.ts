// Made by `python -m web.dev.api_types`; do not edit.

export type Severity = "critical" | "high" | "medium" | "low" | "info";

export type Role = "viewer" | "operator" | "approver" | "admin";

export interface Reach {
  cluster?: string;
  namespace?: string;
}

export interface Grant {
  role: Role;
  reach: Reach;
}

export interface Event {
  id: string;
  ts_ns: number;
  source: string;
  type: string;
  cluster?: string;
  node?: string;
  container_id?: string;
  resource?: string;
  namespace?: string;
  rule?: string;
  priority?: string;
  message?: string;
  fields?: Record<string, unknown>;
}

export interface Page<T> {
  items: T[];
  next: string | null;
  total: number | null;
}

export type Life = "open" | "reopened" | "waived" | "fixed";

export interface StoredFinding {
  id: string;
  source: string;
  ref: string;
  default: boolean;
  cluster: string;
  namespace: string;
  fingerprint: string;
  rule: string;
  domain: string;
  severity: Severity;
  title: string;
  message: string;
  path: string;
  line: number;
  resource: string;
  label: string;
  attribute: string;
  state: Life;
  owner: string | null;
  due: string | null;
  overdue: boolean;
  waiver: string | null;
  waived_until: string | null;
  first_seen: string;
  last_seen: string;
  changed: string;
  fixed_at: string | null;
  commit: string | null;
  fix: string | null;
  cwe: string[];
  tags: string[];
  aliases: string[];
}

export interface FindingChange {
  at: string;
  what: string;
  before: string;
  after: string;
  by: string;
  note: string;
}

export interface FindingDetail {
  finding: StoredFinding;
  history: FindingChange[];
  evidence: Record<string, unknown>;
  scan: string;
  waiver: StoredWaiver | null;
}

export interface Bucket {
  value: string;
  count: number;
  worst: Severity | null;
  label: string;
}

export interface ScanRun {
  id: string;
  source: string;
  ref: string;
  default: boolean;
  cluster: string;
  commit: string;
  started: string;
  received: string;
  duration_s: number;
  by: string;
  pipeline: string;
  scope: Record<string, unknown>;
  coverage: Record<string, unknown>;
  counts: Record<string, number>;
  changes: Record<string, number>;
  risks: (Record<string, unknown>)[];
  answer: string;
  version: string;
}

export interface StoredWaiver {
  id: string;
  rule: string;
  reason: string;
  owner: string;
  expires: string;
  created: string;
  created_by: string;
  reach: Reach;
  source: string;
  fingerprints: string[];
  path: string;
  resource: string;
  revoked: string | null;
  revoked_by: string;
  state: string;
  count: number;
}

export interface StoredResource {
  key: string;
  kind: string;
  name: string;
  namespace: string;
  cluster: string;
  source: string;
  file: string;
  line: number;
  owner: string;
  first_seen: string;
  last_seen: string;
  gone: boolean;
  counts: Record<string, number>;
}

export interface Edge {
  src: string;
  kind: string;
  dst: string;
  source: string;
  seen_at: string;
  label: string;
}

export interface Attribute {
  key: string;
  value: unknown;
  source: string;
  at: string;
}

export interface ResourceDetail {
  resource: StoredResource;
  attributes: Attribute[];
  out: Edge[];
  into: Edge[];
  around: StoredResource[];
  lineage: string[];
}

export interface SourceStatus {
  id: string;
  kind: string;
  name: string;
  state: string;
  last_seen: string | null;
  gaps: number;
  detail: Record<string, unknown>;
}

export interface TokenRecord {
  id: string;
  name: string;
  prefix: string;
  user: string;
  grants: Grant[];
  permissions: string[] | null;
  repositories: string[] | null;
  created: string;
  created_by: string;
  expires: string | null;
  last_used: string | null;
  revoked: string | null;
}

export interface UserRecord {
  id: string;
  name: string;
  email: string;
  grants: Grant[];
  issuer: string;
  subject: string;
  created: string;
  last_seen: string | null;
  disabled: boolean;
}

export interface StoredEvent {
  seq: number;
  event: Event;
}

export interface RuleFile {
  name: string;
  version: number;
  text: string;
  at: string;
  by: string;
  note: string;
  removed: boolean;
}

export interface RuleSwitch {
  source: string;
  name: string;
  enabled: boolean;
  at: string;
  by: string;
}

export interface FeedCounts {
  accepted: number;
  duplicates: number;
  refused: number;
  skipped: number;
  lost: number;
}

export interface FeedStatus {
  id: string;
  kind: string;
  way: string;
  cluster: string;
  place: string;
  state: string;
  counts: FeedCounts;
  last_seen: string | null;
  last_event: string | null;
  lag_s: number | null;
  error: string;
}

export interface DeadLetter {
  feed: string;
  cluster: string;
  at: string;
  why: string;
  sample: string;
}

export interface Series {
  step_s: number;
  start_s: number[];
  lines: Record<string, number[]>;
}

export interface AuditRow {
  seq: number;
  at: string;
  actor: string;
  action: string;
  object: string;
  cluster: string;
  namespace: string;
  detail: Record<string, unknown>;
  private: Record<string, string | null>;
}

export interface Problem {
  title: string;
  status: number;
  detail: string;
  type: string;
  instance: string;
  do: string;
  request: string;
  errors: (Record<string, string>)[];
}

export interface Me {
  id: string;
  name: string;
  role: string;
  grants: Grant[];
  operations: string[];
  csrf: string;
  expires: string | null;
}

export interface SignIn {
  token?: string;
  code?: string;
}

export interface SignInWays {
  providers: string[];
  version: string;
}

export interface NowItem {
  score: number;
  severity: Severity;
  sentence: string;
  sentence_ko: string;
  change: string;
  change_ko: string;
  source: string;
  path: string;
  line: number;
  cluster: string;
  namespace: string;
  resource: string;
  steps: NowStep[];
  findings: string[];
  owner: string | null;
  due: string | null;
  overdue: boolean;
  since: string | null;
}

export interface NowStep {
  text: string;
  path: string;
  line: number;
}

export interface Dial {
  id: string;
  value: number | null;
  unit: string;
  good: number | null;
  better: string;
  before: number | null;
  why: string;
  why_ko: string;
  link: string;
}

export interface Delta {
  since: string;
  new: number;
  fixed: number;
  reopened: number;
  waived: number;
  waivers_ended: number;
  scans: number;
  events: number;
  latest: StoredFinding[];
}

export interface CoverageLine {
  source: SourceStatus;
  unseen: UnseenGap[];
  command: string;
}

export interface UnseenGap {
  kind: string;
  count: number;
  example: string;
  reason: string;
  do: string;
}

export interface Now {
  as_of: string;
  items: NowItem[];
  dials: Dial[];
  delta: Delta;
  coverage: CoverageLine[];
}

export interface FindingFacets {
  total: number;
  overdue: number;
  facets: Record<string, Bucket[]>;
}

export interface FindingPatch {
  owner?: string | null;
  due?: string | null;
}

export interface WaiverRequest {
  reason: string;
  owner: string;
  expires: string;
  rule?: string;
  fingerprints?: string[];
  path?: string;
  resource?: string;
  source?: string;
  reach?: Reach;
}

export interface WaiverPreview {
  reach: Reach;
  count: number;
  severities: Record<string, number>;
  waived: number;
  findings: StoredFinding[];
  complete: boolean;
}

export interface WaiverDetail {
  waiver: StoredWaiver;
  reopens: number;
  severities: Record<string, number>;
  complete: boolean;
}

export interface RuleRow {
  id: string;
  title: string;
  title_ko: string;
  severity: Severity;
  domain: string;
  tags: string[];
  open: number;
  waived: number;
  known: boolean;
}

export interface RuleDetail {
  rule: RuleRow;
  why: string;
  why_ko: string;
  fix: string;
  fix_ko: string;
  snippet: string;
  refs: Record<string, string[]>;
  cwe: string[];
  bad: string[];
  good: string[];
}

export interface PushAnswer {
  scan: ScanRun;
  url: string;
}

export interface Refused {
  index: number;
  why: string;
}

export interface IngestAnswer {
  accepted: number;
  duplicates: number;
  refused: Refused[];
  detections: number;
  by_rule: Record<string, number>;
}

export interface EventPage {
  items: StoredEvent[];
  next: string | null;
  searched_from: string;
  searched_to: string;
  complete: boolean;
}

export interface FeedAnswer {
  accepted: number;
  duplicates: number;
  refused: Refused[];
  skipped: number;
  lost: number;
  detections: number;
  by_rule: Record<string, number>;
}

export interface RuleProblem {
  error: boolean;
  code: string;
  message: string;
  file: string;
  line: number;
  column: number;
  item: string;
}

export interface RuleFault {
  code: string;
  severity: string;
  rule: string;
  message: string;
  why: string;
  file: string;
  line: number;
  column: number;
}

export interface RuntimeRule {
  name: string;
  id: string;
  source: string;
  priority: string;
  tags: string[];
  enabled: boolean;
  origin: string;
  file: string;
  line: number;
  description: string;
  condition: string;
  output: string;
  event_types: string[] | null;
  hits: number;
  faults: RuleFault[];
  resolved: string;
}

export interface RuleExample {
  holds: boolean;
  event: string;
}

export interface RuntimeRuleDetail {
  rule: RuntimeRule;
  examples: RuleExample[];
  exceptions: string[];
  why: string;
  why_ko: string;
  fix: string;
  fix_ko: string;
  refs: Record<string, string[]>;
  switched_by: string;
  switched_at: string | null;
}

export interface RuleFileRow {
  name: string;
  origin: string;
  version: number;
  rules: number;
  loaded: boolean;
  problems: RuleProblem[];
  at: string | null;
  by: string;
  note: string;
}

export interface RuleFileVersion {
  version: number;
  at: string;
  by: string;
  note: string;
  removed: boolean;
}

export interface RuleFileDetail {
  file: RuleFileRow;
  text: string;
  versions: RuleFileVersion[];
}

export interface RuleText {
  text: string;
  name: string;
}

export interface RuleFileSave {
  text: string;
  version: number;
  note: string;
}

export interface RuleCheck {
  ok: boolean;
  problems: RuleProblem[];
  faults: RuleFault[];
  rules: RuntimeRule[];
  fields: string[];
}

export interface RuleSwitched {
  enabled: boolean;
  source: string;
}

export interface FieldRow {
  name: string;
  type: string;
  source: string;
  many: boolean;
  argument: string;
}

export interface HuntRequest {
  files: RuleText[];
  rules: string[];
  since: string | null;
  until: string | null;
  cluster: string[];
  namespace: string[];
  limit: number;
}

export interface HuntMatch {
  rule: string;
  priority: string;
  source: string;
  tags: string[];
  output: string;
  event: StoredEvent;
  would_have_fired: boolean;
}

export interface TokenRequest {
  name: string;
  grants: Grant[];
  days?: number;
  permissions?: string[] | null;
  repositories?: string[] | null;
}

export interface TokenMade {
  token: TokenRecord;
  secret: string;
}

export interface UserPatch {
  grants?: Grant[];
  disabled?: boolean;
}

export interface Part {
  name: string;
  state: string;
  what: string;
  do: string;
  figures: Record<string, unknown>;
}

export interface Health {
  ready: boolean;
  version: string;
  started: string;
  parts: Part[];
}

export interface Setting {
  key: string;
  value: string;
  origin: string;
  what: string;
}

export interface AuditHead {
  size: number;
  root: string;
  at: string;
  previous: string;
  keys: string[];
  algorithms: string[];
  unsigned: number;
}

export type ActionKind = "isolate_workload" | "block_address" | "limit_traffic" | "enhanced_monitoring" | "verbose_logging" | "evidence_snapshot" | "cordon_node" | "evict_pod" | "delete_pod" | "scale_to_zero" | "webhook";

export type ActionState = "observed" | "recommended" | "waiting" | "approved" | "applying" | "applied" | "undoing" | "undone" | "refused" | "dismissed" | "failed" | "stuck";

export interface AdmissionLatency {
  count: number;
  mean_ms: number | null;
  p50_ms: number | null;
  p90_ms: number | null;
  p99_ms: number | null;
  bounds_us: number[];
  buckets: number[];
}

export interface AdmissionPoint {
  at: string;
  total: number;
  outcomes: Record<string, number>;
}

export interface AdmissionSummary {
  since: string;
  until: string;
  step_s: number;
  total: number;
  outcomes: Record<string, number>;
  points: AdmissionPoint[];
  latency: AdmissionLatency;
  policies: PolicyTally[];
  namespaces: NamespaceTally[];
  webhooks: WebhookRow[];
  recorded: number;
}

export interface AdvisoryDetail {
  id: string;
  vulnerability: string;
  aliases: string[];
  summary: string;
  details: string;
  published: string | null;
  modified: string | null;
  withdrawn: string | null;
  severity: Severity | null;
  score: number | null;
  vectors: string[];
  cwe: string[];
  references: string[];
  malicious: boolean;
  exploited_since: string | null;
  epss: number | null;
  affected: AffectedPackage[];
  where: string[];
}

export interface AdvisoryImport {
  id: string;
  place: string;
  state: ImportState;
  by: string;
  asked: string;
  finished: string | null;
  generation: number;
  records: number;
  changed: number;
  error: string;
}

export interface AdvisoryStatus {
  state: string;
  generation: number;
  bytes: number;
  error: string;
  ecosystems: EcosystemData[];
  unknown: UnknownEcosystem[];
  sources: SourceState[];
  imports: AdvisoryImport[];
  reevaluation: Reevaluation | null;
  pending: number;
}

export interface AffectedPackage {
  ecosystem: string;
  name: string;
  ranges: string[];
  versions: string[];
  fixed: string[];
}

export interface AlertDelivery {
  id: string;
  cluster: string;
  namespace: string;
  route: string;
  receiver: string;
  topic: string;
  incident: string;
  what: string;
  level: string;
  title: string;
  state: string;
  attempts: number;
  next_at: string | null;
  created: string;
  ended: string | null;
  delivery: string;
  error: string;
}

export interface AlertDeliveryDetail {
  delivery: AlertDelivery;
  news: News;
  subject: string;
  text: string;
  ticket: AlertTicket | null;
}

export interface AlertPreview {
  receivers: string[];
  steps: AlertStep[];
  says: string;
}

export interface AlertReceiver {
  name: string;
  kind: string;
  address: string;
  target: string;
  secret: string;
  tickets: boolean;
  rate: number;
  state: string;
  error: string;
  waiting: number;
  dead: number;
  sent: number;
  last_sent: string | null;
}

export interface AlertRetried {
  retried: number;
}

export interface AlertRoute {
  name: string;
  receivers: string[];
  level: string;
  clusters: string[];
  namespaces: string[];
  owners: string[];
  rules: string[];
  tags: string[];
  events: string[];
  goes_on: boolean;
  group_by: string[];
  group_wait: number;
  group_interval: number;
  repeat_interval: number;
}

export interface AlertSetup {
  language: string;
  silent: boolean;
  why: string;
  receivers: AlertReceiver[];
  routes: AlertRoute[];
  unrouted: number;
  public_url: string;
}

export interface AlertStep {
  route: string;
  takes: boolean;
  reached: boolean;
  because: string;
  receivers: string[];
  group: string;
}

export interface AlertTested {
  ok: boolean;
  status: string;
  detail: string;
  seconds: number;
}

export interface AlertTicket {
  receiver: string;
  topic: string;
  incident: string;
  cluster: string;
  namespace: string;
  route: string;
  group: string;
  remote: string;
  url: string;
  state: string;
  level: string;
  made: number;
  opened: string;
  changed: string;
  checked: string | null;
}

export interface AuditCoverage {
  cluster: string;
  state: string;
  why: string;
  generation: string;
  policies: number;
  faults: number;
  objects: number;
  waiting: number;
  kinds: AuditedKind[];
  gaps: string[];
  off: string[];
  left_out: number;
  started: string | null;
  finished: string | null;
  oldest: string | null;
  lag_s: number | null;
  took_s: number | null;
  cpu_s: number | null;
}

export interface AuditedKind {
  type: string;
  state: string;
  objects: number;
  why: string;
}

export interface Bill {
  files?: BilledFile[];
  data?: Record<string, string>;
  own?: string[];
  disabled?: string[];
  severity?: Record<string, Severity>;
  development?: Development;
  fail_on?: Severity;
  due_days?: Record<string, number>;
  owners?: Record<string, string>;
  missing?: BilledGap[];
  left_out?: number;
}

export interface BilledFile {
  path: string;
  format: string;
  ecosystem: string;
  name?: string;
  version?: string;
  purl?: string;
  pins?: boolean;
  requires?: number[];
  covers?: string[];
  packages?: BilledPackage[];
}

export interface BilledGap {
  path: string;
  reason: string;
}

export interface BilledPackage {
  name: string;
  version?: string;
  ecosystem?: string;
  spelled?: string;
  constraint?: string;
  path?: string;
  line?: number;
  source?: Source;
  url?: string;
  direct?: boolean | null;
  development?: boolean;
  optional?: boolean;
  needs?: number[];
  digests?: string[];
  licence?: string;
  install_script?: boolean;
  yanked?: string;
  distribution?: string;
  source_package?: string;
  module_stream?: string;
}

export interface Check {
  name: string;
  said: Said;
  says: string;
  acceptable: boolean;
}

export interface ClusterKind {
  type: string;
  objects: number;
  state: string;
  why: string;
}

export interface ClusterList {
  items: ClusterShown[];
}

export interface ClusterShown {
  name: string;
  source: string;
  state: string;
  why: string;
  version: string;
  objects: number | null;
  gaps: string[] | null;
  kinds: ClusterKind[] | null;
  heard: string | null;
  changed: string | null;
  since: string | null;
}

export interface CoverageList {
  items: AuditCoverage[];
}

export interface DecisionBatch {
  schema: string;
  cluster?: string;
  replica: string;
  run: string;
  number: number;
  state: WebhookState;
  records?: DecisionRecord[];
  tallies?: Tally[];
  latencies?: Latency[];
}

export interface DecisionRecord {
  uid: string;
  at_ns: number;
  generation?: string;
  operation: string;
  group?: string;
  version?: string;
  kind: string;
  resource?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
  user?: string;
  groups?: string[];
  dry_run?: boolean;
  mutating?: boolean;
  allowed: boolean;
  outcome: Outcome;
  code?: number;
  message?: string;
  warnings?: string[];
  patches?: number;
  duration_us?: number;
  verdicts?: RecordedVerdict[];
  verdicts_left_out?: number;
  sampled?: boolean;
  review?: string;
  review_missing?: string;
}

export interface DecisionShown {
  decision: StoredDecision;
  groups: string[];
  warnings: string[];
  patches: number;
  verdicts: RecordedVerdict[];
  verdicts_left_out: number;
  policies: PolicyWords[];
  request: Record<string, unknown> | null;
  request_missing: string;
}

export interface DecisionsAnswer {
  taken: number;
  again: boolean;
  refused: Record<string, string>;
}

export type Development = "report" | "lower" | "ignore";

export interface DiffLine {
  sign: string;
  text: string;
}

export interface EcosystemData {
  ecosystem: string;
  records: number;
  withdrawn: number;
  malicious: number;
  covered: boolean;
  incomplete: boolean;
  newest: string | null;
  imported: string | null;
  age_days: number | null;
  stale: boolean;
}

export type Effect = "deny" | "warn" | "audit";

export interface Evidence {
  id: string;
  at: string;
  last: string;
  count: number;
  event: string;
  source: string;
  rule: string;
  priority: string;
  level: string;
  message: string;
  cluster: string;
  namespace: string;
  resource: string;
  node: string;
  container: string;
  tactics: string[];
  techniques: string[];
  fields: Record<string, unknown>;
}

export interface ExceptionProposal {
  id: string;
  rule: string;
  rule_id: string;
  source: string;
  judged_by: "haechi" | "falco";
  why: "false_positive" | "noisy";
  incidents: string[];
  fields: ExceptionValue[];
  silences: number;
  of: number;
  share: number;
  silences_true: string[];
  warning: string;
  since: string;
  complete: boolean;
  text: string;
}

export interface ExceptionProposals {
  proposals: ExceptionProposal[];
  silences: number;
  of: number;
  since: string;
  complete: boolean;
  file: RuleText;
  falco: string;
}

export interface ExceptionValue {
  field: string;
  comp: string;
  value: string;
}

export interface Explanation {
  event: string;
  behaviour: number | null;
  score: number;
  why: string[];
  parts: ScorePart[];
  told: boolean;
  profile: ProfileRow | null;
}

export type FailureChoice = "Fail" | "Ignore";

export type Family = "pod-security" | "gatekeeper" | "vap" | "images" | "rules";

export interface Flow {
  direction: string;
  peer: string;
  ports: string;
  because: string[];
}

export interface ForecastRow {
  policy: string;
  rollout: string;
  namespace: string;
  stage: string;
  next: string;
  begins: string | null;
  refused: number;
  warned: number;
  unjudged: number;
  examples: string[];
  ready: boolean;
}

export interface Forecasts {
  judged: number;
  today: string;
  items: ForecastRow[];
  gaps: string[];
}

export interface Halt {
  scope: string;
  stopped: boolean;
  at: string;
  by: string;
  why: string;
}

export interface HaltRequest {
  stopped: boolean;
  cluster?: string;
  why?: string;
}

export interface HaltStatus {
  file: boolean;
  words: Halt[];
}

export type ImportState = "waiting" | "running" | "done" | "incomplete" | "refused";

export interface IncidentCounts {
  total: number;
  facets: Record<string, Bucket[]>;
}

export interface IncidentDetail {
  incident: StoredIncident;
  reasons: Reason[];
  history: IncidentStep[];
  timeline: Evidence[];
  next: string | null;
  evidence: number;
  tree: ProcessNode[];
  followed_by: string[];
}

export interface IncidentPatch {
  state?: "open" | "acknowledged" | "resolved" | "false_positive" | null;
  was?: string;
  owner?: string | null;
  note?: string;
}

export type IncidentState = "open" | "acknowledged" | "contained" | "not_contained" | "resolved" | "false_positive";

export interface IncidentStep {
  n: number;
  incident: string;
  cluster: string;
  namespace: string;
  at: string;
  what: string;
  before: string;
  after: string;
  by: string;
  note: string;
}

export interface Latency {
  minute: number;
  buckets: number[];
  sum_us: number;
}

export interface Matched {
  kinds: string[][];
  groups: string[];
  versions: string[];
  resources: string[];
  operations: string[];
  scope: string;
}

export interface NamespaceTally {
  cluster: string;
  namespace: string;
  total: number;
  outcomes: Record<string, number>;
}

export interface News {
  topic: string;
  what: string;
  level: string;
  at_ns: number;
  status?: Status;
  cluster?: string;
  namespace?: string;
  resource?: string;
  node?: string;
  owner?: string;
  title?: string;
  incident?: string;
  former?: string;
  state?: string;
  was?: string;
  by?: string;
  note?: string;
  score?: number;
  detections?: number;
  opened_ns?: number;
  first_ns?: number;
  last_ns?: number;
  reasons?: string[];
  rules?: string[];
  tactics?: string[];
  techniques?: string[];
  source_ips?: string[];
  evidence?: string[];
  action?: string;
  action_kind?: string;
  says?: string;
  outcome?: string;
  why?: string;
  expires_ns?: number;
}

export interface Origin {
  repository: string;
  ref?: string;
  commit?: string;
  default?: boolean;
  cluster?: string;
  pipeline?: string;
}

export type Outcome = "denied" | "error" | "shed" | "warned" | "unjudged" | "audited" | "waived" | "allowed";

export interface PackageUse {
  ecosystem: string;
  name: string;
  version: string;
  source: string;
  ref: string;
  cluster: string;
  sbom: string;
}

export interface PlannedResponse {
  kind: ActionKind;
  cluster: string;
  namespace: string;
  resource: string;
  says: string;
  stage: Stage;
  because: string;
  ttl_s: number;
  contained: boolean | null;
  residual: Flow[];
  warnings: string[];
  touches: string[];
  checks: Check[];
  steps: ResponseStep[];
}

export interface PolicyAnswer {
  origin: string;
  text: string;
  most: Stage;
  entries: PolicyEntry[];
  why: string[];
}

export interface PolicyEntry {
  kind: ActionKind;
  stage: Stage;
  ttl_s: number;
  because: string;
  receiver: string;
}

export interface PolicyFault {
  kind: string;
  what: string;
  why: string;
  do: string;
  file: string;
  line: number;
  column: number;
  object: string;
  policy: string;
  fatal: boolean;
}

export interface PolicyInfo {
  id: string;
  family: Family;
  name: string;
  title: string;
  description: string;
  fix: string;
  severity: string;
  file: string;
  line: number;
  object: string;
  effects: Effect[];
  failure: FailureChoice;
  matched: Matched[];
  reads: string[][];
  stages: PolicyStage[];
}

export interface PolicyNamespace {
  namespace: string;
  counts: StateCounts;
}

export interface PolicyOrigin {
  source: string;
  generation: string;
  told: string;
}

export interface PolicyRow {
  key: string;
  cluster: string;
  info: PolicyInfo;
  at_door: boolean;
  audited: boolean;
  origins: PolicyOrigin[];
  counts: StateCounts;
  decisions: Record<string, number>;
  faults: number;
  since: string | null;
}

export interface PolicyShown {
  policy: PolicyRow;
  namespaces: PolicyNamespace[];
  waivers: string[];
}

export interface PolicyStage {
  stage: string;
  begins: string;
  namespaces: string[];
}

export interface PolicyTally {
  policy: string;
  cluster: string;
  key: string;
  title: string;
  total: number;
  outcomes: Record<string, number>;
}

export interface PolicyWords {
  id: string;
  key: string;
  title: string;
  description: string;
  fix: string;
  severity: string;
  file: string;
  line: number;
  object: string;
}

export interface ProcessNode {
  node: string;
  pid: number;
  parent: number | null;
  name: string;
  exe: string;
  command: string;
  container: string;
  user: string;
  rules: Record<string, number>;
  first_seen: string | null;
  last_seen: string | null;
}

export interface ProfileChange {
  to: "learn" | "freeze" | "unfreeze" | "forget";
}

export interface ProfileDetail {
  profile: ProfileRow;
  families: ProfileFamily[];
  scores: ProfileScores[];
  nodes: string[];
}

export interface ProfileFamily {
  name: string;
  count: number;
  known: number;
  most: number;
  values: ProfileValue[];
  fresh: ProfileValue[];
}

export interface ProfileRow {
  id: string;
  cluster: string;
  namespace: string;
  resource: string;
  image: string;
  command: string;
  name: string;
  state: "learning" | "active" | "frozen";
  since: string;
  started: string;
  last_seen: string;
  events: number;
  progress: number;
  held: boolean;
  frozen_by_hand: boolean;
  cold_start: boolean;
  bytes: number;
  top: string[];
}

export interface ProfileScores {
  kind: string;
  count: number;
  half: number;
  p99: number;
  p999: number;
}

export interface ProfileValue {
  value: string;
  count: number;
  share: number;
  first: string;
  last: string;
}

export interface Proposal {
  id: string;
  source: string;
  ref: string;
  cluster: string;
  path: string;
  ecosystem: string;
  package: string;
  versions: string[];
  target: string;
  upgrades: ProposedUpgrade[];
  direct: boolean | null;
  via: string[];
  development: boolean;
  severity: Severity;
  fixes: ProposedFix[];
  state: ProposalState;
  opened: string;
  changed: string;
  reason: string;
  by: string;
  title: string;
  body: string;
}

export interface ProposalDismissal {
  reason: string;
}

export type ProposalState = "open" | "taken" | "dismissed" | "obsolete";

export interface ProposedFix {
  id: string;
  aliases: string[];
  title: string;
  severity: Severity;
  fingerprint: string;
  fixed: string;
  url: string;
  cleared: boolean;
}

export interface ProposedUpgrade {
  version: string;
  target: string;
  major: boolean;
}

export interface Push {
  schema: string;
  origin: Origin;
  scope: PushScope;
  report: Record<string, unknown>;
  resources?: PushedResource[];
  edges?: PushedEdge[];
  rules?: PushedRule[];
  packages?: Bill | null;
}

export interface PushScope {
  domains: string[];
  within?: string;
  tree?: boolean;
  history?: string;
}

export interface PushedEdge {
  src: string;
  kind: string;
  dst: string;
}

export interface PushedResource {
  key: string;
  kind: string;
  name: string;
  namespace?: string;
  cluster?: string;
  file?: string;
  line?: number;
  owner?: string;
  attributes?: Record<string, unknown>;
}

export interface PushedRule {
  id: string;
  title: string;
  severity: string;
  why?: string;
  fix?: string;
}

export interface Reason {
  kind: string;
  text: string;
  points: number;
  source: string;
}

export interface RecordedVerdict {
  policy: string;
  rule?: string;
  state: string;
  effects?: string[];
  failure?: string;
  action?: string;
  message?: string;
  path?: string;
  line?: number;
  evidence?: Record<string, unknown>;
  waiver?: string | null;
  generated?: boolean;
}

export interface Reevaluation {
  generation: number;
  started: string;
  finished: string | null;
  sboms: number;
  affected: number;
  opened: number;
  fixed: number;
  seconds: number;
}

export interface ResponseApproval {
  accept?: string[];
  ttl_s?: number;
  note?: string;
  seen?: string | null;
}

export interface ResponseAsk {
  incident?: string;
  kind?: ActionKind | null;
  resource?: string;
  pods?: string[];
  address?: string;
  receiver?: string;
}

export interface ResponseDecision {
  note?: string;
}

export interface ResponseDetail {
  action: ResponseRow;
  plan: PlannedResponse;
  may: string[];
  left_s: number | null;
}

export interface ResponseExtension {
  seconds: number;
  note?: string;
}

export interface ResponseRequest {
  incident?: string;
  kind?: ActionKind | null;
  resource?: string;
  pods?: string[];
  address?: string;
  receiver?: string;
  approve?: boolean;
  accept?: string[];
  ttl_s?: number;
  note?: string;
}

export interface ResponseRow {
  id: string;
  cluster: string;
  namespace: string;
  resource: string;
  incident: string;
  kind: ActionKind;
  stage: Stage;
  state: ActionState;
  says: string;
  outcome: string;
  why: string;
  because: string;
  actor: string;
  approver: string;
  automatic: boolean;
  level: string;
  ttl_s: number;
  bars: string[];
  acceptable: string[];
  created: string;
  changed: string;
  approved: string | null;
  applied: string | null;
  verified: string | null;
  expires: string | null;
  ended: string | null;
}

export interface ResponseStep {
  id: string;
  place: number;
  kind: string;
  target: string;
  says: string;
  state: StepState;
  reversible: boolean;
  attempts: number;
  changed: string | null;
  error: string;
  diff: DiffLine[];
  body: unknown;
  inverse: unknown;
}

export type Said = "yes" | "no" | "unknown" | "accepted";

export interface Sbom {
  id: string;
  kind: string;
  name: string;
  source: string;
  ref: string;
  cluster: string;
  commit: string;
  current: boolean;
  received: string;
  by: string;
  scan: string;
  format: string;
  files: number;
  packages: number;
  ecosystems: Record<string, number>;
  missing: string[];
  bytes: number;
  judged: number;
}

export interface SbomAnswer {
  sbom: Sbom;
  changes: Record<string, number>;
}

export interface ScorePart {
  family: string;
  value: string;
  rarity: number;
  most: number;
}

export type Source = "registry" | "git" | "path" | "url" | "workspace" | "stdlib";

export interface SourceState {
  place: string;
  state: string;
  since: string;
  last: string | null;
  error: string;
}

export type Stage = "observe" | "recommend" | "approve" | "enforce";

export interface StateCounts {
  passed: number;
  failed: number;
  waived: number;
  error: number;
  not_evaluated: number;
}

export type Status = "firing" | "acknowledged" | "resolved" | "note";

export type StepState = "planned" | "applying" | "applied" | "undoing" | "undone" | "failed";

export interface StoredDecision {
  id: string;
  cluster: string;
  namespace: string;
  at: string;
  uid: string;
  replica: string;
  generation: string;
  operation: string;
  group: string;
  version: string;
  kind: string;
  resource: string;
  subresource: string;
  name: string;
  user: string;
  outcome: string;
  allowed: boolean;
  mutating: boolean;
  dry_run: boolean;
  sampled: boolean;
  code: number;
  duration_us: number;
  message: string;
  policies: string[];
  recorded: boolean;
}

export interface StoredFault {
  cluster: string;
  source: string;
  told: string;
  fault: PolicyFault;
}

export interface StoredIncident {
  id: string;
  cluster: string;
  namespace: string;
  resource: string;
  node: string;
  container: string;
  title: string;
  level: string;
  score: number;
  state: IncidentState;
  owner: string | null;
  opened: string;
  changed: string;
  closed: string | null;
  first_seen: string;
  last_seen: string;
  detections: number;
  rules: Record<string, number>;
  tactics: string[];
  techniques: string[];
  source_ips: string[];
  former: string | null;
}

export interface Tally {
  minute: number;
  policy?: string;
  namespace?: string;
  outcome: Outcome;
  count: number;
}

export interface UnknownEcosystem {
  ecosystem: string;
  sboms: number;
}

export interface Violation {
  id: string;
  cluster: string;
  namespace: string;
  object: string;
  kind: string;
  name: string;
  policy: string;
  rule: string;
  state: string;
  outcome: string;
  waiver: string;
  message: string;
  path: string;
  effects: string[];
  evidence: Record<string, unknown>;
  line: number;
  generated: boolean;
  since: string;
  changed: string;
}

export interface WebhookRow {
  cluster: string;
  replica: string;
  ready: boolean;
  why: string;
  silent: boolean;
  version: string;
  generation: string;
  source: string;
  started: string | null;
  heard: string;
  queue: number;
  dropped: number;
}

export interface WebhookState {
  ready: boolean;
  why?: string;
  version?: string;
  generation?: string;
  source?: string;
  started_ns?: number;
  queue?: number;
  dropped?: number;
  policies?: PolicyInfo[] | null;
  faults?: PolicyFault[] | null;
}

export interface WhatIf {
  counts: WhatIfCounts;
  by_policy: Record<string, WhatIfCounts>;
  appeared: WhatIfChange[];
  disappeared: WhatIfChange[];
  changed: WhatIfChange[];
  left_out: number;
  faults: string[];
  gaps: string[];
  forecast: ForecastRow[];
}

export interface WhatIfAsk {
  cluster: string;
  policies: WhatIfDocument[];
  packs?: string[];
  replace?: boolean;
  over?: "now" | "history" | "both";
  days?: number;
  namespace?: string[];
}

export interface WhatIfChange {
  cluster: string;
  namespace: string;
  object: string;
  kind: string;
  name: string;
  policy: string;
  rule: string;
  before: string;
  after: string;
  message: string;
  path: string;
  request: boolean;
  count: number;
  operation: string;
  appeared: string[];
  disappeared: string[];
  policies: string[];
  at: string | null;
  user: string;
}

export interface WhatIfCounts {
  judged: number;
  denied_before: number;
  denied_after: number;
  warned_before: number;
  warned_after: number;
  not_evaluated: number;
}

export interface WhatIfDocument {
  name?: string;
  text: string;
}
