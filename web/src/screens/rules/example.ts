/** The fields of an example as they are written: one flow mapping of YAML, `{name: value, …}`. What
 * is written otherwise is shown as it stands (null). */
export function pairs(text: string): [string, string][] | null {
  const inner = /^\s*\{([\s\S]*)\}\s*$/.exec(text)?.[1];
  if (inner === undefined) return null;
  const found: [string, string][] = [];
  for (const part of parted(inner)) {
    const at = /^\s*(?:"([^"]+)"|([^\s:"]+(?:\[[^\]]*\])?)):\s+([\s\S]*?)\s*$/.exec(part);
    if (!at) return null;
    found.push([at[1] ?? at[2] ?? "", unquoted(at[3] ?? "")]);
  }
  return found;
}

/** Cut at commas that stand in no brackets and no quotation marks. */
function parted(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let mark = "";
  let part = "";
  for (let i = 0; i < text.length; i++) {
    const one = text[i] ?? "";
    if (mark) {
      if (one === "\\" && mark === '"') part += one + (text[++i] ?? "");
      else {
        part += one;
        if (one === mark) mark = "";
      }
      continue;
    }
    if ((one === '"' || one === "'") && /[\s,:[{(]$|^$/.test(part)) mark = one;
    else if (one === "[" || one === "{") depth++;
    else if (one === "]" || one === "}") depth--;
    if (one === "," && !depth) {
      out.push(part);
      part = "";
    } else part += one;
  }
  return part.trim() ? [...out, part] : out;
}

const unquoted = (text: string): string => (/^'[\s\S]*'$/.test(text) ? text.slice(1, -1).replaceAll("''", "'") : /^"[^"\\]*"$/.test(text) ? text.slice(1, -1) : text);
