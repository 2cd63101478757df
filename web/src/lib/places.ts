// Names of things for people: resource keys (`k8s:{cluster}/{group}/{Kind}/{namespace}/{name}`,
// `image:…`, `repo:…`) and links to the code's own place.
import type { IconName } from "./components/Icon.svelte";

export interface Named {
  kind: string;
  name: string;
  icon: IconName;
}

const ICONS: Record<string, IconName> = { repo: "code", dir: "file", file: "file", image: "image", k8s: "resources" };

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // not ours: shown as it is
  }
}

export function named(key: string): Named {
  const cut = key.indexOf(":");
  const scheme = key.slice(0, cut);
  const rest = key.slice(cut + 1);
  const icon = ICONS[scheme] ?? "resources";
  if (scheme === "k8s") {
    const [, , kind = "", namespace = "-", name = ""] = rest.split("/").map(plain);
    return { kind, name: namespace === "-" ? name : `${namespace}/${name}`, icon };
  }
  const name = plain(rest).replace(/^dir:|^https?:\/\/|^-\//, "");
  if (scheme === "image") return { kind: "image", name: name.replace(/(sha256:[0-9a-f]{12})[0-9a-f]+/, "$1…"), icon };
  return { kind: scheme, name, icon };
}

export const sourceName = (source: string): string => source.replace(/^(repo:)?(dir:)?/, "").replace(/^https?:\/\//, "");

/** Where the line stands on its forge; "" for forges whose addresses we do not know. */
export function codeUrl(source: string, ref: string, path: string, line: number): string {
  const at = /^repo:(https:\/\/([^/?#]+)\/[^?#]+?)(?:\.git)?$/.exec(source);
  if (!at?.[1] || !path || !ref) return "";
  const file = [ref, ...path.split("/")].map(encodeURIComponent).join("/");
  const mark = line ? `#L${line}` : "";
  if (at[2] === "github.com") return `${at[1]}/blob/${file}${mark}`;
  if (at[2]?.includes("gitlab")) return `${at[1]}/-/blob/${file}${mark}`;
  return "";
}

export const resourceHref = (key: string, cluster: string): string =>
  `/resources/show?key=${encodeURIComponent(key)}${cluster && cluster !== "-" ? `&of=${encodeURIComponent(cluster)}` : ""}`;
