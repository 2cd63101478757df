/** Conditions in the Falco language as texts: what may be typed next, a condition for a value,
 * where a fault stands, and a long condition laid out in lines. The server judges; this only
 * helps to write and to read. */

/** Operators that want a value, and those that want a list. */
export const OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "contains", "icontains", "bcontains", "startswith", "bstartswith", "endswith", "glob", "iglob", "regex"] as const;
export const OF_LISTS = ["in", "intersects", "pmatch"] as const;
const ALONE = "exists";
const TOKEN = /"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|<=|>=|!=|==|[()=<>,]|[^\s()=<>!,"']+|!/g;

export type Expected = "field" | "operator" | "list" | "value" | "joiner";

/** What a word that begins at the end of `text` could be. */
export function expectedAfter(text: string): { expected: Expected; subject: string } {
  let expected: Expected = "field";
  let subject = "";
  let inList = false;
  for (const token of text.match(TOKEN) ?? []) {
    if (inList) {
      if (token !== ")") continue;
      inList = false;
      expected = "joiner";
    } else if (expected === "field") {
      if (token === "(" || token === "not" || token === ")") continue;
      subject = token;
      expected = "operator";
    } else if (expected === "operator") expected = afterSubject(token);
    else if (expected === "list") inList = token === "(";
    else if (expected === "value") expected = "joiner";
    else if (token === "and" || token === "or") expected = "field";
  }
  return { expected: inList ? "value" : expected, subject };
}

function afterSubject(token: string): Expected {
  if (token === "(" || token === "and" || token === "or") return "field"; // a transformer, a macro
  if (token === ")") return "operator";
  if (token === ALONE) return "joiner";
  return (OF_LISTS as readonly string[]).includes(token) ? "list" : "value";
}

/** The word that is being typed before the cursor. */
export const wordBefore = (text: string): string => /[^\s()=<>!,"']*$/.exec(text)?.[0] ?? "";

/** Operators for a field of a type, the likeliest first. */
export function operatorsFor(type: string): readonly string[] {
  if (type === "bool") return ["=", "!=", ALONE];
  if (["number", "port", "duration", "bytes"].includes(type)) return ["=", "!=", "<", "<=", ">", ">=", "in", ALONE];
  if (type === "address" || type === "net") return ["=", "!=", "in", ALONE];
  return ["=", "!=", "in", "startswith", "endswith", "contains", "icontains", "pmatch", "glob", "regex", "intersects", ALONE];
}

const PLAIN = /^[A-Za-z0-9_./:@+*-]+$/;
const WORDS = new Set(["and", "or", "not", "in", "exists", "contains", "startswith", "endswith", "intersects", "pmatch", "glob"]);

/** A value as it has to be written. */
export function quoted(value: string | number | boolean): string {
  const text = String(value);
  if (PLAIN.test(text) && !WORDS.has(text)) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

export const LONGEST = 4000;
const LONG_VALUE = 500;

/** The condition that a field has this value; "" where none can be written. */
export function conditionOf(name: string, value: unknown, place?: number): string {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return "";
  // a line break, NUL or half a character is no part of a condition
  if (String(value).length > LONG_VALUE || /[\0\r\n]/.test(String(value))) return "";
  if (place === undefined) return value === "" ? "" : `${name} = ${quoted(value)}`;
  if (ANCESTORS.has(name)) return `${name}[${place}] = ${quoted(value)}`;
  if (name === "proc.args") return `${name} contains ${quoted(value)}`;
  return `${name} in (${quoted(value)})`;
}
export const ANCESTORS: ReadonlySet<string> = new Set(["proc.aname", "proc.aexe", "proc.aexepath", "proc.acmdline", "proc.apid", "proc.aenv"]);

/** One condition more. */
export function narrowed(filter: string, condition: string): string {
  if (!filter.trim()) return condition;
  if (filter.includes(condition)) return filter;
  return `${/\bor\b/.test(outside(filter)) ? `(${filter.trim()})` : filter.trim()} and ${condition}`;
}

/** What does not stand in quotation marks or parentheses. */
function outside(text: string): string {
  let depth = 0;
  let out = "";
  for (const token of text.match(TOKEN) ?? []) {
    if (token === "(") depth++;
    else if (token === ")") depth--;
    else if (!depth && !/^["']/.test(token)) out += `${token} `;
  }
  return out;
}

/** From where to where a fault at a character reaches: the word there, or the one place after the
 * end. */
export function faultAt(text: string, index: number): [number, number] {
  let from = Math.min(Math.max(0, index), text.length);
  while (from < text.length && /\s/.test(text[from] ?? "")) from++;
  if (from >= text.length) return [text.length, text.length];
  const word = /^(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^\s()=<>!,"']+|<=|>=|!=|.)/s.exec(text.slice(from))?.[0] ?? "";
  return [from, from + word.length];
}

interface Group {
  parts: (string | Group)[];
}
const WIDE = 84;

/** A condition of one line in several: `and` and `or` begin lines, parentheses indent. */
export function laidOut(condition: string): string {
  const text = condition.trim();
  if (text.includes("\n") || text.length <= WIDE) return text;
  const tokens = [...text.matchAll(/"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[()]|[^\s()"']+(?:"[^"]*")?|\s+/g)].map((one) => one[0]);
  return lines(group(tokens), "").join("\n");
}

function group(tokens: string[]): Group {
  const parts: (string | Group)[] = [];
  while (tokens.length) {
    const token = tokens.shift() ?? "";
    if (token === ")") break;
    if (token !== "(") parts.push(/^\s+$/.test(token) ? " " : token);
    else if (ofList(parts)) parts.push(`(${flat(group(tokens))})`);
    else parts.push(group(tokens));
  }
  return { parts };
}

/** What stands before this parenthesis wants a list, or is a transformer's name. */
function ofList(parts: (string | Group)[]): boolean {
  const before = [...parts].reverse().find((one) => one !== " ");
  if (typeof before !== "string") return false;
  return (OF_LISTS as readonly string[]).includes(before) || (parts.at(-1) === before && !["and", "or", "not"].includes(before)) || /[=<>,]$|^(contains|startswith|endswith|glob|regex)$/.test(before);
}

const flat = (one: Group): string => one.parts.map((part) => (typeof part === "string" ? part : `(${flat(part)})`)).join("").trim();

function lines(one: Group, indent: string): string[] {
  const whole = flat(one);
  if (indent.length + whole.length <= WIDE) return [indent + whole];
  const out: string[] = [];
  let line = "";
  const end = (): void => {
    if (line.trim()) out.push(indent + line.trim());
    line = "";
  };
  for (const part of one.parts) {
    if (typeof part === "string") {
      if (part === "and" || part === "or") end();
      line += part;
    } else if (indent.length + line.length + flat(part).length + 2 <= WIDE) line += `(${flat(part)})`;
    else {
      line += "(";
      end();
      out.push(...lines(part, `${indent}  `));
      line = ")";
    }
  }
  end();
  return out;
}
