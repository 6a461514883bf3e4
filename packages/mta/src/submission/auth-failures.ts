/**
 * Failed authentications per client address and per account in a sliding window (RFC 4954 §9, SUB-08). The table
 * is bounded: the entry idle for longest goes first. Pure but for its own state; the clock comes in as an argument.
 */
import { isIPv6 } from 'node:net'

export interface AuthFailureLimits {
  readonly windowMs: number
  readonly perAddressMax: number
  readonly perAccountMax: number
  readonly entriesMax: number
}

export const DEFAULT_AUTH_FAILURE_LIMITS: AuthFailureLimits = {
  windowMs: 10 * 60 * 1000,
  // A pool of misconfigured workers behind one address stays below this, a dictionary does not.
  perAddressMax: 30,
  // Larger than per address, so that one client cannot lock an account for everyone else.
  perAccountMax: 100,
  entriesMax: 20_000,
}

interface Entry {
  /** Failures in the window that began at `since` and in the one before it. */
  count: number
  previous: number
  since: number
}

export class AuthFailures {
  readonly #limits: AuthFailureLimits
  /** In order of last failure. */
  readonly #entries = new Map<string, Entry>()

  constructor(limits: AuthFailureLimits = DEFAULT_AUTH_FAILURE_LIMITS) {
    this.#limits = limits
  }

  exceeded(address: string, username: string, now: number): boolean {
    return (
      this.#rate(addressKey(address), now) >= this.#limits.perAddressMax ||
      this.#rate(accountKey(username), now) >= this.#limits.perAccountMax
    )
  }

  failed(address: string, username: string, now: number): void {
    this.#add(addressKey(address), now)
    this.#add(accountKey(username), now)
  }

  get size(): number {
    return this.#entries.size
  }

  /** The window before counts by the share of it that is still within reach. */
  #rate(key: string, now: number): number {
    const entry = this.#entries.get(key)
    if (entry === undefined) return 0
    const { windowMs } = this.#limits
    const age = now - entry.since
    if (age >= 2 * windowMs) return 0
    if (age >= windowMs) return entry.count * (2 - age / windowMs)
    return entry.count + entry.previous * (1 - age / windowMs)
  }

  #add(key: string, now: number): void {
    const { windowMs, entriesMax } = this.#limits
    const old = this.#entries.get(key)
    this.#entries.delete(key)
    const age = old === undefined ? Number.POSITIVE_INFINITY : now - old.since
    const entry =
      old === undefined || age >= 2 * windowMs
        ? { count: 0, previous: 0, since: now }
        : age >= windowMs
          ? { count: 0, previous: old.count, since: old.since + windowMs }
          : old
    entry.count += 1
    this.#entries.set(key, entry)
    if (this.#entries.size <= entriesMax) return
    const oldest = this.#entries.keys().next().value
    if (oldest !== undefined) this.#entries.delete(oldest)
  }
}

/** RFC 4291 §2.5.4: an IPv6 site has a /64 at least, so single addresses mean nothing there. */
export function addressKey(address: string): string {
  if (!isIPv6(address)) return `address ${address}`
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1)
  return `address ${firstFourGroups(groups)}`
}

function firstFourGroups(compressed: string): string {
  const [head = '', tail] = compressed.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => '0')
  return [...front, ...zeros, ...back].slice(0, 4).join(':')
}

function accountKey(username: string): string {
  return `account ${username.slice(0, 255)}`
}
