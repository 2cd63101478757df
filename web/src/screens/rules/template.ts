/** What a new rule file begins with: one small rule that can be changed. */
export const TEMPLATE = `# Rules in the Falco language. Lists and macros of haechi's own rules
# (spawned_process, shell_procs, open_write, container ...) may be used here.

- list: admin_tools
  items: [kubectl, helm, aws, gcloud]

- rule: Administration tool used in a container
  desc: Somebody works on the cluster or the cloud from within a container.
  condition: spawned_process and container.id != host and proc.name in (admin_tools)
  output: An administration tool ran (command=%proc.cmdline user=%user.name container=%container.name pod=%k8s.pod.name)
  priority: NOTICE
  tags: [container, T1613]
`;
