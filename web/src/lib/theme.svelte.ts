// System, dark or light. `data-theme` on the root decides; absent means the system's.
export type Theme = "system" | "dark" | "light";

let chosen = $state<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? "system");

export const theme = (): Theme => chosen;

export function setTheme(next: Theme): void {
  chosen = next;
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem("haechi.theme");
    else localStorage.setItem("haechi.theme", next);
  } catch {
    // storage may be forbidden; the choice holds for this visit
  }
}
