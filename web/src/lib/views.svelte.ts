// Views of Findings that this browser keeps by name: a filter, its order and grouping. They are
// links, no more; what they show is asked anew.
export interface View {
  name: string;
  /** The query string, without "?" and without what is open. */
  query: string;
}

const KEY = "haechi.views";
const MOST = 50;
export const LONGEST = 60;

function read(): View[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isView).slice(0, MOST) : [];
  } catch {
    return []; // storage is forbidden, or somebody else wrote there
  }
}
function isView(one: unknown): one is View {
  const { name, query } = (one ?? {}) as Partial<View>;
  return typeof name === "string" && typeof query === "string";
}

let views = $state.raw<readonly View[]>(read());

export const savedViews = (): readonly View[] => views;
export const viewHref = (view: View): string => `/findings${view.query && `?${view.query}`}`;

/** Keeps the query under a name, in place of one of the same name. False: the browser keeps nothing. */
export function saveView(name: string, query: URLSearchParams): boolean {
  const kept = new URLSearchParams(query);
  kept.delete("open");
  const others = views.filter((one) => one.name !== name);
  return keep([...others, { name, query: kept.toString() }].sort((a, b) => a.name.localeCompare(b.name)).slice(0, MOST));
}

export function dropView(name: string): boolean {
  return keep(views.filter((one) => one.name !== name));
}

function keep(next: View[]): boolean {
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    return false;
  }
  views = next;
  return true;
}
