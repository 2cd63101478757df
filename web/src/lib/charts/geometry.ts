/** Shapes of the small charts: pure, so that they can be reasoned about without a page. */

/** A point on a circle, in degrees clockwise from the top. */
export function onCircle(cx: number, cy: number, r: number, degrees: number): [number, number] {
  const turn = ((degrees - 90) * Math.PI) / 180;
  return [cx + r * Math.cos(turn), cy + r * Math.sin(turn)];
}

/** The path of an arc from one angle to a later one. */
export function arc(cx: number, cy: number, r: number, from: number, to: number): string {
  const [x0, y0] = onCircle(cx, cy, r, from);
  const [x1, y1] = onCircle(cx, cy, r, to);
  const large = to - from > 180 ? 1 : 0;
  return `M${round(x0)} ${round(y0)}A${r} ${r} 0 ${large} 1 ${round(x1)} ${round(y1)}`;
}

/** The path of a line through evenly spaced values, highest at the top; flat ones lie low. */
export function line(values: readonly number[], width: number, height: number, pad = 1): string {
  const top = Math.max(...values, 1);
  const step = values.length > 1 ? (width - 2 * pad) / (values.length - 1) : 0;
  return values
    .map((value, i) => {
      const y = height - pad - (value / top) * (height - 2 * pad);
      return `${i ? "L" : "M"}${round(pad + i * step)} ${round(y)}`;
    })
    .join("");
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Each line on top of the ones before it: what a stacked chart draws. */
export function stacked(lines: readonly (readonly number[])[]): number[][] {
  const sum: number[] = [];
  return lines.map((one) =>
    one.map((value, i) => {
      sum[i] = (sum[i] ?? 0) + value;
      return sum[i];
    }),
  );
}

/** The largest lines by their sum, the rest joined under one name (only where there is a rest). */
export function largest(
  lines: Readonly<Record<string, readonly number[]>>,
  most: number,
  rest: string,
): [string, number[]][] {
  const sorted = Object.entries(lines)
    .map(([name, counts]): [string, number[]] => [name, [...counts]])
    .sort(([a, x], [b, y]) => total(y) - total(x) || a.localeCompare(b));
  if (sorted.length <= most) return sorted;
  const kept = sorted.slice(0, most - 1);
  const others = sorted.slice(most - 1).map(([, counts]) => counts);
  const joined = (others[0] ?? []).map((_, i) => total(others.map((one) => one[i] ?? 0)));
  return [...kept, [rest, joined]];
}

export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
