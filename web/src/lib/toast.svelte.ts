// Short messages that pass; see components/Toasts.
import { Failure } from "./api/client";
import { t } from "./i18n.svelte";

interface Said {
  id: number;
  text: string;
  tone: "ok" | "bad";
}

let all = $state.raw<Said[]>([]);
let next = 1;

export const said = (): Said[] => all;
export const unsay = (id: number): void => {
  all = all.filter((one) => one.id !== id);
};

export function say(text: string, tone: "ok" | "bad" = "ok"): void {
  const id = next++;
  all = [...all.slice(-2), { id, text, tone }];
  setTimeout(() => unsay(id), tone === "bad" ? 12_000 : 5_000);
}

/** Says what went wrong with an action; what is no answer of the server is thrown on. */
export function sayFailure(error: unknown): void {
  if (!(error instanceof Failure)) throw error;
  const { problem } = error;
  const text = problem.status === 0 ? t("trouble.offline") : [problem.detail || problem.title, problem.do].filter(Boolean).join(" ");
  say(problem.request ? `${text} (${problem.request})` : text, "bad");
}
