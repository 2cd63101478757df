// The live stream. One EventSource for the page; screens say which topics they follow and are
// called (at most once every 800 ms a listener) with what came since. EventSource reconnects by
// itself and sends Last-Event-ID; the server tells how many frames it had to drop ("skipped").
import { BASE } from "./client";
import type { Topic, Told } from "./topics";

type State = "off" | "connecting" | "live" | "reconnecting";
type Listener = { topics: readonly Topic[]; tell: (told: Told[]) => void; kept: Told[]; timer: number };

const PAUSE_MS = 800;
const TOPICS: readonly Topic[] = ["finding", "scan", "waiver", "event", "incident", "response", "alert", "admission", "policy", "audit", "source", "token", "advisory", "proposal"];

let state_ = $state<State>("off");
let skipped_ = $state(0);
let last_ = $state(0);
let stream: EventSource | null = null;
let retry = 0;
let wait = 1000;
const listeners = new Set<Listener>();

export const liveState = (): State => state_;
/** Frames that the server dropped for us since the page was opened. */
export const skipped = (): number => skipped_;
/** When the last frame came (ms since 1970), 0 before the first. */
export const lastHeard = (): number => last_;

/** Opens the stream (after sign-in); idempotent. */
export function connect(): void {
  if (stream) return;
  if (state_ === "off") state_ = "connecting";
  stream = new EventSource(`${BASE}/stream?topics=${TOPICS.join(",")}`);
  stream.onopen = () => {
    const back = state_ === "reconnecting";
    state_ = "live";
    wait = 1000;
    if (back) for (const one of listeners) hear(one, gap(one));
  };
  stream.onerror = () => {
    state_ = "reconnecting";
    if (stream?.readyState !== EventSource.CLOSED) return;
    stream = null; // refused or the server is gone: EventSource gives up, we do not
    retry = window.setTimeout(connect, wait);
    wait = Math.min(wait * 2, 30_000);
  };
  for (const topic of TOPICS) stream.addEventListener(topic, (frame) => received(topic, frame as MessageEvent<string>));
  stream.addEventListener("skipped", (frame) => dropped(frame as MessageEvent<string>));
}

export function disconnect(): void {
  window.clearTimeout(retry);
  stream?.close();
  stream = null;
  state_ = "off";
}

function received(topic: Topic, frame: MessageEvent<string>): void {
  last_ = Date.now();
  const { count, items } = parsed(frame.data);
  const told: Told = { topic, count: Number(count ?? 1), items: Array.isArray(items) ? items : [] };
  for (const one of listeners) if (one.topics.includes(topic)) hear(one, told);
}

function dropped(frame: MessageEvent<string>): void {
  skipped_ += Number(parsed(frame.data)["skipped"] ?? 1);
  for (const one of listeners) hear(one, gap(one));
}

const gap = (one: Listener): Told => ({ topic: one.topics[0] ?? "finding", count: 0, items: [] });

function hear(one: Listener, told: Told): void {
  if (one.kept.length < 1000) one.kept.push(told);
  if (one.timer) return;
  one.timer = window.setTimeout(() => {
    one.timer = 0;
    one.tell(one.kept.splice(0));
  }, PAUSE_MS);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === "object" ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Follows topics until the returned function is called: `$effect(() => follow(["finding"], reload))`. */
export function follow(topics: readonly Topic[], tell: (told: Told[]) => void): () => void {
  const one: Listener = { topics, tell, kept: [], timer: 0 };
  listeners.add(one);
  return () => {
    window.clearTimeout(one.timer);
    listeners.delete(one);
  };
}

/** Follows the events for which a Falco condition holds, by a stream of its own: the page's stream
 * tells of all. Where the server refuses (too many filters), the page's stream serves. */
export function followEvents(condition: string, tell: (told: Told[]) => void): () => void {
  if (!condition) return follow(["event"], tell);
  const one: Listener = { topics: ["event"], tell, kept: [], timer: 0 };
  const own = new EventSource(`${BASE}/stream?${new URLSearchParams({ topics: "event", filter: condition })}`);
  let instead: (() => void) | null = null;
  const heard = (frame: MessageEvent<string>): void => {
    last_ = Date.now();
    const { count, items } = parsed(frame.data);
    hear(one, { topic: "event", count: Number(count ?? 1), items: Array.isArray(items) ? items : [] });
  };
  own.addEventListener("event", (frame) => heard(frame as MessageEvent<string>));
  own.addEventListener("skipped", () => hear(one, gap(one)));
  own.onerror = () => {
    if (own.readyState === EventSource.CLOSED) instead ??= follow(["event"], tell);
  };
  return () => {
    own.close();
    instead?.();
    window.clearTimeout(one.timer);
  };
}
