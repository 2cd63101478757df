// Titles of rules in the reader's language. Findings carry the title of the scan's language; in
// Korean the rules' own titles are asked for once and used instead.
import { get } from "./api/client";
import type { Page, RuleRow } from "./api/types";
import { language } from "./i18n.svelte";

let korean = $state.raw<ReadonlyMap<string, string>>(new Map());
let asked = false;

async function load(): Promise<void> {
  try {
    const page = await get<Page<RuleRow>>("/rules", { limit: 1000 });
    korean = new Map(page.items.filter((one) => one.title_ko).map((one) => [one.id, one.title_ko]));
  } catch {
    asked = false; // the finding's own title stands; asked again at the next need
  }
}

/** The title of a finding of this rule; `title` is what the API gave. */
export function titleOf(rule: string, title: string): string {
  if (language() !== "ko") return title;
  if (!asked) {
    asked = true;
    void load();
  }
  return korean.get(rule) ?? title;
}
