/** What is to be typed or put into a file to connect something to the server at this address. */

export type Way = "scan" | "github" | "gitlab" | "events";

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
