/** Tokens for lines that have no meaning of their own, in an order that keeps neighbours apart. */
const LINES = ["--accent", "--note", "--medium", "--high", "--critical", "--info"] as const;

const PRIORITIES: Readonly<Record<string, string>> = {
  emergency: "--critical",
  alert: "--critical",
  critical: "--critical",
  error: "--high",
  warning: "--medium",
  notice: "--low",
  informational: "--info",
  debug: "--line-strong",
  "": "--line-strong",
};

export function colorOf(by: string, name: string, at: number): string {
  if (by === "priority") return PRIORITIES[name] ?? "--line-strong";
  return LINES[at] ?? "--line-strong";
}
