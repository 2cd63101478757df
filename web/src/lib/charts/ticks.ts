/** Where the axes of a chart over time are marked: round values, and round moments of the reader's day. */

const NICE = [1, 2, 5];

/** Multiples of a round number up to `high`, at most `most` of them; whole numbers only. */
export function valueTicks(high: number, most: number): number[] {
  for (let size = 1; ; size *= 10) {
    for (const one of NICE) {
      const step = one * size;
      if (high / step <= Math.max(1, most)) return Array.from({ length: Math.floor(high / step) + 1 }, (_, at) => at * step);
    }
  }
}

const HOUR = 3600;
const DAY = 24 * HOUR;
const STEPS = [60, 300, 600, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY];

/** Moments (Unix seconds) within a span, counted from a midnight of the reader's time zone. */
export function timeTicks(from: number, until: number, most: number): number[] {
  const step = STEPS.find((one) => (until - from) / one <= Math.max(1, most)) ?? (until - from) / Math.max(1, most);
  const midnight = new Date(from * 1000).setHours(0, 0, 0, 0) / 1000;
  const first = midnight + Math.ceil((from - midnight) / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((until - first) / step) + 1) }, (_, at) => first + at * step);
}
