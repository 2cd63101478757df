// The one way to the server. Every answer is typed by the caller (types.ts); every failure is a
// `Failure` with the problem document, so that screens can show what to do and the request's id.
import type { Me, Page, Problem } from "./types";

export const BASE = "/api/v1";

export type Ask = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export class Failure extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** A query string: lists repeat their key, empty values are left out. */
export function query(ask: Ask): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(ask)) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    for (const one of Array.isArray(value) ? value : [value]) out.append(key, String(one)); // "" in a list counts: nobody
  }
  const text = out.toString();
  return text ? `?${text}` : "";
}

/** A path below /api/v1 with its query, as `get` and the links of `ApiCall` use it. */
export function url(path: string, ask: Ask = {}): string {
  return BASE + path + query(ask);
}

let csrf = "";
let lostSession: () => void = () => {};

/** Called by lib/session when someone signed in. */
export function useSession(me: Me | null, onLost?: () => void): void {
  csrf = me?.csrf ?? "";
  if (onLost) lostSession = onLost;
}

interface Options {
  signal?: AbortSignal | undefined;
  body?: unknown;
  quiet?: boolean;
}

export async function call<T>(method: string, path: string, ask: Ask = {}, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (options.signal) init.signal = options.signal;
  if (method !== "GET" && csrf) headers["x-csrf-token"] = csrf;
  if (options.body !== undefined) {
    const file = options.body instanceof Blob; // sent as it is
    headers["content-type"] = file ? "application/octet-stream" : "application/json";
    init.body = file ? (options.body as Blob) : JSON.stringify(options.body);
  }
  let answer: Response;
  try {
    answer = await fetch(url(path, ask), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure(problem(0, "offline", ""));
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  const failure = new Failure(await problemOf(answer));
  if (answer.status === 401 && !options.quiet) lostSession();
  throw failure;
}

async function problemOf(answer: Response): Promise<Problem> {
  const request = answer.headers.get("x-request-id") ?? "";
  try {
    return { ...problem(answer.status, answer.statusText, request), ...((await answer.json()) as Problem) };
  } catch {
    return problem(answer.status, answer.statusText, request);
  }
}

function problem(status: number, title: string, request: string): Problem {
  return { title, status, detail: "", type: "about:blank", instance: "", do: "", request, errors: [] };
}

export const get = <T>(path: string, ask: Ask = {}, signal?: AbortSignal): Promise<T> =>
  call<T>("GET", path, ask, { signal });
/** Characters that turn the direction of what follows: in a name or a command they make a text
 * read otherwise than it is. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** What attackers may have written is shown as it is, turns included; nobody edits these. */
const FOREIGN = /^\/(incidents|responses|alerts|profiles|clusters|admission|policies|sboms|proposals|advisories)\b/;

/** As `get`, for what is only shown. */
export async function look<T>(path: string, ask: Ask, signal?: AbortSignal): Promise<T> {
  const answer = await get<T>(path, ask, signal);
  return FOREIGN.test(path) ? plain(answer) : answer;
}

function plain<T>(value: T): T {
  if (typeof value === "string") return value.replace(TURNS, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`) as T;
  if (Array.isArray(value)) return value.map(plain) as T;
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [plain(key), plain(one)])) as T;
  return value;
}

export const post = <T>(path: string, body: unknown): Promise<T> => call<T>("POST", path, {}, { body });
export const patch = <T>(path: string, body: unknown): Promise<T> => call<T>("PATCH", path, {}, { body });
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>("PUT", path, {}, { body });
export const remove = <T>(path: string, ask: Ask = {}): Promise<T> => call<T>("DELETE", path, ask);

/** Lines of an NDJSON answer as they come (`events.search`; with a body: `hunts.start`). Stop by
 * the signal. */
export async function* lines<T>(path: string, ask: Ask, signal: AbortSignal, body?: unknown): AsyncGenerator<T> {
  const headers: Record<string, string> = { accept: "application/x-ndjson" };
  const init: RequestInit = { headers, credentials: "same-origin", signal };
  if (body !== undefined) {
    init.method = "POST";
    init.body = JSON.stringify(body);
    headers["content-type"] = "application/json";
    if (csrf) headers["x-csrf-token"] = csrf;
  }
  let answer: Response;
  try {
    answer = await fetch(url(path, ask), init);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Failure(problem(0, "offline", ""));
  }
  if (!answer.ok || !answer.body) throw new Failure(await problemOf(answer));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n");
    rest = done ? "" : (parts.pop() ?? "");
    for (const part of parts) if (part.trim()) yield JSON.parse(part) as T;
    if (done) return;
  }
}

export type { Page };
