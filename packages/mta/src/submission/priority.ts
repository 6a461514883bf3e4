/**
 * Message transfer priorities: RFC 6710. A client asks for one with MAIL, its account says how high it may go, and the
 * result stands in the envelope. Whatever asks for more gets what is allowed and is told so (§4.1, X.3.6). Pure.
 */

/** RFC 6710 §3. */
export const PRIORITY_MIN = -9
export const PRIORITY_MAX = 9

/** The registered policy whose levels our classes are (RFC 6710 §3, §9.1): -4 non-urgent, 0 normal, 4 urgent. */
export const PRIORITY_POLICY = 'MIXER'

const PRIORITY = /^(?:-?[1-9]|0)$/

/** The value of the parameter; undefined when it is none. */
export function parsePriority(value: string): number | undefined {
  return PRIORITY.test(value) ? Number(value) : undefined
}

/** Of a login. */
export interface PriorityTerms {
  /** Of mail that comes without the parameter. */
  readonly assumed: number
  readonly max: number
}

/** Clients that are known by their network only. */
export const NETWORK_PRIORITY: PriorityTerms = { assumed: 0, max: 0 }

export interface GrantedPriority {
  readonly value: number
  /** Another one was asked for. */
  readonly changed: boolean
}

export function grantedPriority(asked: number | undefined, { assumed, max }: PriorityTerms): GrantedPriority {
  if (asked === undefined) return { value: assumed, changed: false }
  const value = Math.min(asked, max)
  return { value, changed: value !== asked }
}
