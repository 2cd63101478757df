// Who is signed in. `me()` is null while nobody is; `state()` tells a first load from that.
import { call, Failure, useSession } from "./api/client";
import type { Me, Problem, SignIn } from "./api/types";

type State = "asking" | "out" | "in" | "unreachable";

let who = $state.raw<Me | null>(null);
let state_ = $state<State>("asking");
let trouble_ = $state.raw<Problem | null>(null);

export const me = (): Me | null => who;
export const sessionState = (): State => state_;
export const sessionTrouble = (): Problem | null => trouble_;
/** True when this operation (its id: `waivers.create`) may be called. Hide what is not allowed. */
export const may = (operation: string): boolean => who?.operations.includes(operation) ?? false;

function take(next: Me | null): void {
  who = next;
  state_ = next ? "in" : "out";
  useSession(next, () => {
    if (state_ === "in") take(null);
  });
}

export async function loadSession(): Promise<void> {
  try {
    take(await call<Me>("GET", "/me", {}, { quiet: true }));
  } catch (error) {
    take(null);
    if (error instanceof Failure && error.problem.status !== 401) {
      trouble_ = error.problem;
      state_ = "unreachable";
    }
  }
}

/** Throws a Failure when the token or code is not taken. */
export async function signIn(with_: SignIn): Promise<void> {
  await call<unknown>("POST", "/session", {}, { body: with_, quiet: true });
  await loadSession();
}

export async function signOut(): Promise<void> {
  await call<unknown>("DELETE", "/session", {}, { quiet: true });
  take(null);
}
