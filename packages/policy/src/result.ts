/**
 * Expected outcomes as values: everything a peer, DNS, a clock or an operator can cause.
 * Broken invariants are thrown instead (`invariant`, `assertNever`). Pure.
 */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E }

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error }
}

/** The `default` of a switch over a union: adding a member breaks the build here. */
export function assertNever(value: never): never {
  throw new Error(`impossible case: ${JSON.stringify(value)}`)
}

/** Throws when something that the code itself guarantees does not hold. Never for input. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${what}`)
}
