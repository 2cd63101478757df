// Keys of the whole page. A screen registers what it does while it is shown; `?` lists them all.
// Keys without Ctrl do nothing while someone types in a field.

import { untrack } from "svelte";

interface Key {
  /** As shown: "j", "/", "Ctrl+K". */
  keys: string;
  /** Message key of what it does. */
  what: string;
  run: (event: KeyboardEvent) => void;
}

let known = $state.raw<readonly Key[]>([]);
export const keysNow = (): readonly Key[] => known;

/** Registers keys until the returned function is called; the latest registration wins. */
export function keys(list: readonly Key[]): () => void {
  known = [...list, ...untrack(() => known)];
  return () => {
    known = known.filter((one) => !list.includes(one));
  };
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type)));

function named(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.ctrlKey || event.metaKey ? key.toUpperCase() : event.key.length === 1 ? event.key : key);
}

export function listenKeys(): () => void {
  const down = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const name = named(event);
    if (!name.startsWith("Ctrl+") && (typing(event.target) || document.querySelector("dialog[open]"))) return;
    const key = known.find((one) => one.keys === name);
    if (!key) return;
    event.preventDefault();
    key.run(event);
  };
  document.addEventListener("keydown", down);
  return () => document.removeEventListener("keydown", down);
}
