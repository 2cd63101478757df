// The rooms of the page. A screen is `src/screens/<id>/Screen.svelte`, loaded when it is first
// shown; what follows its name in the URL is handed to it as `rest`.
import type { Component } from "svelte";

import type { IconName } from "./components/Icon.svelte";
import { learn } from "./i18n.svelte";

export interface Room {
  id: string;
  path: string;
  icon: IconName;
  /** Operation that one must be allowed to call, or the screen is not offered. */
  needs?: string;
}

export const ROOMS: readonly Room[] = [
  { id: "now", path: "/", icon: "now" },
  { id: "incidents", path: "/incidents", icon: "incidents" },
  { id: "findings", path: "/findings", icon: "findings" },
  { id: "dependencies", path: "/dependencies", icon: "dependencies" },
  { id: "waivers", path: "/waivers", icon: "waivers" },
  { id: "admission", path: "/admission", icon: "admission", needs: "admission.summary" },
  { id: "policies", path: "/policies", icon: "policies", needs: "policies.list" },
  { id: "clusters", path: "/clusters", icon: "clusters", needs: "clusters.list" },
  { id: "resources", path: "/resources", icon: "resources" },
  { id: "rules", path: "/rules", icon: "rules" },
  { id: "events", path: "/events", icon: "events" },
  { id: "behaviour", path: "/behaviour", icon: "behaviour" },
  { id: "responses", path: "/responses", icon: "responses" },
  { id: "alerts", path: "/alerts", icon: "alerts" },
  { id: "audit", path: "/audit", icon: "audit", needs: "audit.list" },
  { id: "settings", path: "/settings", icon: "settings" },
];

/** Rooms that show parts of another, or share parts, and need the words of those. */
const ALSO: Readonly<Record<string, readonly string[]>> = { incidents: ["responses"], admission: ["door"], policies: ["door"], clusters: ["door"], dependencies: ["findings"] };

export type ScreenComponent = Component<{ rest: string[] }>;
const LOADERS = import.meta.glob<{ default: ScreenComponent }>("../screens/*/Screen.svelte");

export function roomOf(path: string): { id: string; rest: string[] } | null {
  const [first = "", ...rest] = path.split("/").filter(Boolean).map(decoded);
  const room = ROOMS.find((one) => one.path === `/${first}`);
  return room ? { id: room.id, rest } : null;
}

export async function loadScreen(id: string): Promise<ScreenComponent | null> {
  const loader = LOADERS[`../screens/${id}/Screen.svelte`];
  if (!loader) return null;
  const [module] = await Promise.all([loader(), learn([id, ...(ALSO[id] ?? [])])]);
  return module.default;
}

/** A part of a path; what is wrongly encoded stands as it is (no such thing is found then). */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
