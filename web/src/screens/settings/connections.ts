/** What is to be typed or put into a file to connect something to the server at this address. */

export const FEEDS = ["sensor", "falco", "kubernetes-audit", "tetragon", "hubble", "envoy", "application"] as const;
export type Way = "scan" | "github" | "gitlab" | "events" | (typeof FEEDS)[number];

export interface Step {
  /** Its heading: `settings.connect.<key>`. */
  key: string;
  text: string;
}

export function connections(way: Way, origin: string): Step[] {
  return {
    scan: [
      { key: "step.token", text: "export HAECHI_TOKEN=…" },
      { key: "step.scan", text: `haechi scan . --push ${origin}` },
    ],
    github: [
      { key: "step.trust.github", text: trust("github", "https://token.actions.githubusercontent.com", origin, "acme/shop") },
      { key: "step.workflow", text: workflow(origin) },
    ],
    gitlab: [
      { key: "step.trust.gitlab", text: trust("gitlab", "https://gitlab.com", origin, "acme/shop") },
      { key: "step.job", text: job(origin) },
    ],
    events: [
      { key: "step.token", text: "export HAECHI_TOKEN=…" },
      { key: "step.send", text: send(origin) },
    ],
    sensor: [TOKEN, { key: "step.sensor", text: `haechi sensor --server ${origin} --spool /var/spool/haechi` }],
    falco: [{ key: "step.falco", text: FALCO }, followed("falco", "/var/log/falco/events.json"), { key: "step.sidekick", text: sidekick(origin) }],
    "kubernetes-audit": [{ key: "step.audit", text: audit(origin) }, { key: "step.audit.flags", text: AUDIT_FLAGS }, followed("kubernetes-audit", "/var/log/kubernetes/audit.log")],
    tetragon: [followed("tetragon", "/var/run/cilium/tetragon/tetragon.log"), TOKEN, { key: "step.pipe", text: piped("tetragon", "kubectl logs -n kube-system tetragon-x2 -c export-stdout", origin) }],
    hubble: [followed("hubble", "/var/run/cilium/hubble/events.log"), TOKEN, { key: "step.pipe", text: piped("hubble", "hubble observe --last 1000 -o json", origin) }],
    envoy: [{ key: "step.mesh", text: MESH }, followed("envoy", "/var/log/envoy/access.log"), TOKEN, { key: "step.post", text: posted("envoy", "access.log", origin) }],
    application: [{ key: "step.mapping", text: MAPPING }, TOKEN, { key: "step.post", text: posted("application", "app.log", origin, "&mapping=shop") }],
  }[way];
}

const trust = (kind: "github" | "gitlab", issuer: string, origin: string, project: string): string =>
  `auth:
  pipelines:
    - name: ${kind}
      issuer: ${issuer}
      audience: ${origin}${kind === "gitlab" ? "\n      repository: https://gitlab.com/{project_path}" : ""}
      rules:
        - claims:
            ${kind === "github" ? "repository" : "project_path"}: ["${project}"]`;

const workflow = (origin: string): string =>
  `permissions:
  contents: read
  id-token: write   # the job's own token, no stored secret
steps:
  - uses: actions/checkout@v4
    with: { fetch-depth: 0 }
  - run: haechi scan . --push ${origin}`;

const job = (origin: string): string =>
  `haechi:
  id_tokens:
    HAECHI_TOKEN:
      aud: ${origin}
  script:
    - haechi scan . --push ${origin}`;

const send = (origin: string): string =>
  `curl --fail-with-body -H "Authorization: Bearer $HAECHI_TOKEN" \\
  -H 'Content-Type: application/x-ndjson' \\
  --data-binary @events.ndjson \\
  ${origin}/api/v1/events`;

const TOKEN: Step = { key: "step.token", text: "export HAECHI_TOKEN=…" };

const followed = (kind: string, file: string): Step => ({
  key: "step.follow",
  text: `runtime:
  feeds:
    - {kind: ${kind}, file: ${file}, cluster: prod}`,
});

const posted = (kind: string, file: string, origin: string, more = ""): string =>
  `curl --fail-with-body -H "Authorization: Bearer $HAECHI_TOKEN" \\
  --data-binary @${file} \\
  '${origin}/api/v1/feeds/${kind}?cluster=prod${more}'`;

const piped = (kind: string, from: string, origin: string): string =>
  `${from} \\
  | haechi runtime send - --kind ${kind} --cluster prod --server ${origin}`;

const FALCO = `json_output: true
json_include_output_property: true
json_include_output_fields_property: true
json_include_tags_property: true
file_output:
  enabled: true
  keep_alive: true
  filename: /var/log/falco/events.json`;

const sidekick = (origin: string): string =>
  `webhook:
  address: ${origin}/api/v1/feeds/falco?cluster=prod
  customHeaders: {Authorization: Bearer haechi_api_…}`;

const audit = (origin: string): string =>
  `apiVersion: v1
kind: Config
clusters:
  - name: haechi
    cluster:
      server: ${origin}/api/v1/feeds/kubernetes-audit?cluster=prod
users:
  - {name: api-server, user: {token: haechi_api_…}}
contexts:
  - {name: haechi, context: {cluster: haechi, user: api-server}}
current-context: haechi`;

const AUDIT_FLAGS = `--audit-policy-file=/etc/kubernetes/audit-policy.yaml
--audit-webhook-config-file=/etc/kubernetes/haechi.kubeconfig
--audit-webhook-mode=batch`;

const MESH = `meshConfig:
  accessLogFile: /dev/stdout
  accessLogEncoding: JSON`;

const MAPPING = `runtime:
  mappings:
    shop:
      format: json
      time: "@timestamp"
      type: event.action
      types: {login_failed: authentication-failed}
      fields: {app.user: user.name, app.ip: client.ip, app.message: message}`;
