/**
 * Who plays in the demo: one domain for each way in which MTA-STS may go, what is wrong there, and what must come of
 * a message to it. As data; `demo-world.ts` brings it to life.
 */
import type { PolicyAnswer } from '../lab/policy-host.ts'
import type { PolicyOptions } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

export interface Player {
  readonly domain: string
  /** For the reader of the table. */
  readonly wrong: string
  /** Its mail exchanger, `mx.` and the domain; good unless said otherwise. */
  readonly host: HostOptions
  /** Absent: the domain has never heard of MTA-STS. */
  readonly policy?: PolicyOptions
  /** What the policy host says in place of the policy. */
  readonly answer?: PolicyAnswer
  /** The relay fetched the policy so many days ago; since then its record and its policy host have vanished. */
  readonly vanishedSinceDays?: number
  readonly expected: Expected
}

/** What the mail exchanger itself saw, which no claim of the relay can change. */
export interface Expected {
  /** How the message arrived there; `not-sent`: not at all. */
  readonly arrived: 'proven' | 'encrypted' | 'not-sent'
  /** Whether the relay connected at all. */
  readonly contacted: boolean
}

const PROVEN: Expected = { arrived: 'proven', contacted: true }
const UNPROVEN: Expected = { arrived: 'encrypted', contacted: true }
const REFUSED: Expected = { arrived: 'not-sent', contacted: true }
const NOT_CONTACTED: Expected = { arrived: 'not-sent', contacted: false }

export const CAST: readonly Player[] = [
  player('good.test', { wrong: 'nothing', host: {}, ...enforced('good.test'), expected: PROVEN }),
  player('stripped.test', {
    wrong: 'STARTTLS is stripped',
    host: { tls: 'none' },
    ...enforced('stripped.test'),
    expected: REFUSED,
  }),
  player('wrong-name.test', {
    wrong: 'wrong certificate name',
    host: { tls: 'wrong-name' },
    ...enforced('wrong-name.test'),
    expected: REFUSED,
  }),
  player('expired.test', {
    wrong: 'expired certificate',
    host: { tls: 'expired' },
    ...enforced('expired.test'),
    expected: REFUSED,
  }),
  player('hijacked.test', {
    wrong: 'MX not in the policy',
    host: {},
    policy: { mode: 'enforce', mx: ['mail.hijacked.test'] },
    expected: NOT_CONTACTED,
  }),
  player('vanished.test', {
    wrong: 'record, STARTTLS vanish',
    host: { tls: 'none' },
    ...enforced('vanished.test'),
    vanishedSinceDays: 3,
    expected: REFUSED,
  }),
  player('testing.test', {
    wrong: 'wrong name, but testing',
    host: { tls: 'wrong-name' },
    policy: { mode: 'testing', mx: ['mx.testing.test'] },
    expected: UNPROVEN,
  }),
  player('redirect.test', {
    wrong: 'policy host redirects',
    host: {},
    ...enforced('redirect.test'),
    answer: { status: 301, fields: { Location: 'https://www.redirect.test/' } },
    expected: UNPROVEN,
  }),
  player('plain.test', {
    wrong: 'no policy, self-signed',
    host: { tls: 'self-signed' },
    expected: UNPROVEN,
  }),
]

function player(domain: string, rest: Omit<Player, 'domain'>): Player {
  return { domain, ...rest }
}

function enforced(domain: string): { readonly policy: PolicyOptions } {
  return { policy: { mode: 'enforce', mx: [`mx.${domain}`], maxAge: 604_800 } }
}

export function mxOf({ domain }: Pick<Player, 'domain'>): string {
  return `mx.${domain}`
}
