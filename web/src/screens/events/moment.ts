/** The place of an event in time, as the API and the address have it. JavaScript's numbers hold
 * nanoseconds to a quarter of a microsecond, so a moment is a few milliseconds wide. */
import type { Ask } from "../../lib/api/client";
import type { StoredEvent } from "../../lib/api/types";

export function momentOf(ns: number): Ask {
  const ms = Math.floor(ns / 1e6);
  return { since: new Date(ms - 1).toISOString(), until: new Date(ms + 2).toISOString() };
}

export const linkTo = (one: StoredEvent): string => `/events?event=${one.seq}&at=${one.event.ts_ns}`;
