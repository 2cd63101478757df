// Words in the reader's language. Messages are flat keys in src/i18n/<lang>.json, those that one
// room alone needs in src/i18n/rooms/<room>.<lang>.json; only the chosen language is loaded, and of
// rooms those that were visited. Format: `{name}` is put in, `{n, plural, one {# finding} other {# findings}}`
// chooses by Intl.PluralRules (with `=0` for exact numbers), `#` is the number in the reader's form.

export type Lang = "en" | "ko";
type Messages = Record<string, string>;
type Params = Record<string, string | number>;

const LOADERS: Record<Lang, () => Promise<{ default: Messages }>> = {
  en: () => import("../i18n/en.json"),
  ko: () => import("../i18n/ko.json"),
};

const OF_ROOMS = import.meta.glob<{ default: Messages }>("../i18n/rooms/*.json");
/** Files of rooms' words that are in use. */
const learnt = new Set<string>();

let lang = $state<Lang>("en");
let messages = $state.raw<Messages>({});

/** The language in use; reading it in a template follows changes. */
export const language = (): Lang => lang;

export async function start(): Promise<void> {
  await setLanguage(document.documentElement.lang === "ko" ? "ko" : "en", false);
}

export async function setLanguage(next: Lang, remember = true): Promise<void> {
  for (let known = -1; known !== learnt.size; ) {
    known = learnt.size; // a room may be learnt meanwhile
    const files = await Promise.all([LOADERS[next](), ...[...learnt].map((name) => ofRoom(name, next))]);
    messages = Object.assign({}, ...files.map((file) => file?.default)) as Messages;
    lang = next;
  }
  document.documentElement.lang = next;
  try {
    if (remember) localStorage.setItem("haechi.lang", next);
  } catch {
    // storage may be forbidden; the choice holds for this visit
  }
}

const ofRoom = (name: string, of: Lang): Promise<{ default: Messages }> | undefined => OF_ROOMS[`../i18n/rooms/${name}.${of}.json`]?.();

/** Brings the words of rooms, before their screens are shown. */
export async function learn(names: readonly string[]): Promise<void> {
  const fresh = names.filter((name) => !learnt.has(name));
  for (const name of fresh) learnt.add(name);
  const now = lang;
  try {
    const files = await Promise.all(fresh.map((name) => ofRoom(name, now)));
    if (now === lang) messages = Object.assign({}, messages, ...files.map((file) => file?.default)) as Messages;
  } catch (error) {
    for (const name of fresh) learnt.delete(name);
    throw error;
  }
}

/** The message of a key. A missing key shows itself (a test finds them). */
export function t(key: string, params: Params = {}): string {
  const message = messages[key];
  return message === undefined ? key : format(message, params);
}

/** True when a message exists: for values that come from the server (a change's kind). */
export const has = (key: string): boolean => key in messages;
/** The message of a key that comes from the server, or the value as it is. */
export const word = (prefix: string, value: string): string => (has(`${prefix}.${value}`) ? t(`${prefix}.${value}`) : value);

/** One of two texts that the API gives in both languages. */
export const pick = (en: string, ko: string): string => (lang === "ko" && ko ? ko : en);

function format(message: string, params: Params): string {
  let out = "";
  for (let i = 0; i < message.length; ) {
    if (message[i] !== "{") {
      out += message[i++];
      continue;
    }
    const end = closing(message, i);
    out += fill(message.slice(i + 1, end), params);
    i = end + 1;
  }
  return out;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  }
  return text.length;
}

function fill(inside: string, params: Params): string {
  const plural = /^(\w+),\s*plural,\s*/.exec(inside);
  if (!plural) {
    const given = params[inside.trim()];
    return typeof given === "number" ? number(given) : (given ?? "");
  }
  const n = Number(params[plural[1] as string] ?? 0);
  const cases = new Map<string, string>();
  for (let i = plural[0].length; i < inside.length; ) {
    const open = inside.indexOf("{", i);
    if (open < 0) break;
    const end = closing(inside, open);
    cases.set(inside.slice(i, open).trim(), inside.slice(open + 1, end));
    i = end + 1;
  }
  const chosen = cases.get(`=${n}`) ?? cases.get(kept("plural", {}, () => new Intl.PluralRules(lang)).select(n)) ?? cases.get("other") ?? "";
  return format(chosen.replaceAll("#", number(n)), params);
}

// Making a formatter costs a hundred times more than using it, and lists use many.
const made = new Map<string, unknown>();
function kept<T>(kind: string, options: object, make: () => T): T {
  const key = `${lang} ${kind} ${JSON.stringify(options)}`;
  let one = made.get(key) as T | undefined;
  if (one === undefined) made.set(key, (one = make()));
  return one;
}
const dates = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  kept("date", options, () => new Intl.DateTimeFormat(lang, options));

export const number = (n: number, options: Intl.NumberFormatOptions = {}): string =>
  kept("number", options, () => new Intl.NumberFormat(lang, options)).format(n);
/** 12,345 → 12.3K / 1.2만: for dials and narrow places. */
export const short = (n: number): string => number(n, { notation: "compact", maximumFractionDigits: 1 });
export const percent = (ratio: number, digits = 0): string => number(ratio, { style: "percent", maximumFractionDigits: digits });

const asDate = (at: string | number | Date): Date => (at instanceof Date ? at : new Date(at));

/** Date and time in full, in the reader's time zone. */
export const moment = (at: string | number | Date): string => dates({ dateStyle: "medium", timeStyle: "medium" }).format(asDate(at));
/** A calendar day (`2026-11-22`), which has no time zone. */
export const day = (iso: string): string =>
  dates({ dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${iso.slice(0, 10)}T00:00:00Z`));
/** Hours, minutes and seconds, for streams. */
export const clock = (at: string | number | Date): string =>
  dates({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(asDate(at));

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31557600],
  ["month", 2629800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago", "in 2 days". */
export function relative(at: string | number | Date, now: number = Date.now(), style: "short" | "long" = "short"): string {
  const seconds = (asDate(at).getTime() - now) / 1000;
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const options = { numeric: "auto", style } as const;
  return kept("relative", options, () => new Intl.RelativeTimeFormat(lang, options)).format(Math.round(seconds / size), unit);
}

/** Whole days from today to a calendar day; negative when it is past. */
export function daysTo(iso: string, now: number = Date.now()): number {
  const today = new Date(now);
  const start = Date.UTC(today.getFullYear(), today.getMonth(), today.getDate());
  return Math.round((Date.parse(`${iso.slice(0, 10)}T00:00:00Z`) - start) / 86400000);
}
