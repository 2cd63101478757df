// Where we are: every view is a URL. `route.path` and `route.query` follow the address bar;
// screens read them and write them with `go` and `refine`, so that back, forward and a copied
// link always show the same thing.

function read(): { path: string; query: URLSearchParams } {
  return { path: location.pathname.replace(/\/+$/, "") || "/", query: new URLSearchParams(location.search) };
}

let arrive: (path: string) => Promise<void> | null = () => null;

/**
 * What has to be there before `route` tells of a path; null when it is. Screens share keys of the
 * query string, so the one that is being left must not see the query of the next.
 */
export function before(wait: (path: string) => Promise<void> | null): void {
  arrive = wait;
}

class Route {
  #now = $state.raw(read());
  get path(): string {
    return this.#now.path;
  }
  get query(): URLSearchParams {
    return this.#now.query;
  }
  sync(): void {
    const next = read();
    const wait = next.path === this.#now.path ? null : arrive(next.path);
    if (wait) void wait.then(() => (this.#now = read()));
    else this.#now = next;
  }
}

export const route = new Route();

/** All values of a key of the query string. */
export const values = (key: string): string[] => route.query.getAll(key);
/** The one value of a key, or "". */
export const value = (key: string): string => route.query.get(key) ?? "";

/** Keys that go along from screen to screen: the scope. */
const KEPT = ["cluster", "namespace"];

/** A link that keeps the scope. Use it for every href within the page. */
export function href(target: string): string {
  const to = new URL(target, location.origin);
  for (const key of KEPT) {
    if (!to.searchParams.has(key)) for (const one of values(key)) to.searchParams.append(key, one);
  }
  return to.pathname + to.search;
}

/** Goes to a view. `replace` leaves no step in the history (typing in a filter). */
export function go(target: string, options: { replace?: boolean; keepScroll?: boolean } = {}): void {
  const to = href(target);
  const other = new URL(to, location.origin).pathname !== location.pathname;
  if (to !== location.pathname + location.search) {
    history[options.replace ? "replaceState" : "pushState"](null, "", to);
    route.sync();
  }
  if (other && !options.keepScroll) window.scrollTo(0, 0);
}

/** Changes keys of the query string of this view; null, "" and [] take a key away;
 * "" within a list stays (an owner of "" is: nobody). */
export function refine(
  changes: Record<string, string | readonly string[] | null>,
  options: { replace?: boolean } = {},
): void {
  if (read().path !== route.path) return; // on the way to another screen
  const query = new URLSearchParams(route.query);
  for (const [key, change] of Object.entries(changes)) {
    query.delete(key);
    if (Array.isArray(change)) for (const one of change) query.append(key, one);
    else if (change) query.append(key, change as string);
  }
  const text = query.toString();
  history[options.replace ? "replaceState" : "pushState"](null, "", location.pathname + (text ? `?${text}` : ""));
  route.sync();
}

/** Makes ordinary links within the page navigate without loading; call once. */
export function listen(): () => void {
  const click = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  };
  const pop = (): void => route.sync();
  document.addEventListener("click", click);
  window.addEventListener("popstate", pop);
  return () => {
    document.removeEventListener("click", click);
    window.removeEventListener("popstate", pop);
  };
}
