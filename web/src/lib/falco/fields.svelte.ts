// The fields of the Falco language, asked once for the page.
import { get } from "../api/client";
import type { FieldRow, Page } from "../api/types";

let rows = $state.raw<readonly FieldRow[]>([]);
let names = $state.raw<ReadonlyMap<string, FieldRow>>(new Map());
let asked = false;

/** Fields by name; empty until they have come. The first call asks for them. */
export function fieldsByName(): ReadonlyMap<string, FieldRow> {
  if (!asked) void ask();
  return names;
}

/** Each name once; `source` is the first that has it. */
export function fields(): readonly FieldRow[] {
  if (!asked) void ask();
  return rows;
}

async function ask(): Promise<void> {
  asked = true;
  try {
    const all = (await get<Page<FieldRow>>("/runtime/fields")).items;
    const found = new Map<string, FieldRow>();
    for (const one of all) if (!found.has(one.name)) found.set(one.name, one);
    names = found;
    rows = [...found.values()];
  } catch {
    asked = false; // completion goes without; the next one who needs them asks again
  }
}
