/** The hosts of an explanation as lines: what each must prove, and what each showed. Pure. */
import {
  type AddressSection,
  assertNever,
  type DemandSection,
  type HostSection,
  type SessionSection,
} from '@hermetic/policy'
import type { Tone } from './colour.ts'
import { type Line, references } from './explain-layout.ts'
import { shortTime } from './explain-policy-text.ts'

const LABEL_WIDTH = 12

export function hostLines(hosts: readonly HostSection[]): readonly Line[] {
  if (hosts.length === 0) return []
  return [{ indent: 0, text: 'Hosts', tone: 'strong' }, ...hosts.flatMap(oneHost)]
}

function oneHost(host: HostSection): readonly Line[] {
  const { name, preference, alias, implicit } = host
  const notes = [
    ...(implicit ? ['no MX record: the domain stands for itself'] : []),
    ...(alias === undefined ? [] : [`an alias of ${alias}`]),
  ]
  const { mark, tone } = standing(host)
  const note = notes.length === 0 ? '' : ` (${notes.join('; ')})`
  const text = `${preference === undefined ? '' : `${preference} `}${name}${note}`
  return [
    { indent: 2, label: mark, labelTone: tone, text },
    ...standingLines(host),
    ...(host.demand === undefined ? [] : demandLines(host.demand)),
    ...(host.dane === undefined ? [] : daneLines(host.dane)),
    ...host.addresses.flatMap(addressLines),
  ]
}

interface Mark {
  readonly mark: string
  readonly tone: Tone
}

const GOOD: Mark = { mark: '✓', tone: 'good' }
const BAD: Mark = { mark: '✗', tone: 'bad' }
const DOUBTFUL: Mark = { mark: '!', tone: 'warning' }
const NEUTRAL: Mark = { mark: '·', tone: 'quiet' }

function standing({ standing: word, addresses }: HostSection): Mark {
  switch (word) {
    case 'forbidden':
      return BAD
    case 'unusable':
    case 'unanswered':
      return DOUBTFUL
    case 'behind-ourselves':
      return NEUTRAL
    case 'candidate': {
      const sessions = addresses.flatMap(({ session }) => session ?? [])
      if (sessions.length === 0) return NEUTRAL
      if (sessions.some(({ verdict }) => verdict === 'proven')) return GOOD
      return sessions.some(({ verdict }) => verdict === 'failed') ? BAD : DOUBTFUL
    }
    default:
      return assertNever(word)
  }
}

function standingLines({ standing: word, problem }: HostSection): readonly Line[] {
  switch (word) {
    case 'candidate':
    case 'forbidden':
      return []
    case 'unusable':
      return [
        {
          indent: 4,
          text: `not usable: ${problem?.detail ?? ''}${problem?.status === undefined ? '' : ` (${problem.status})`}`,
        },
      ]
    case 'behind-ourselves':
      return [{ indent: 4, text: 'never used: this relay is among the better hosts [RFC 5321 §5.1]' }]
    case 'unanswered':
      return [{ indent: 4, text: 'not looked at: no answer in time' }]
    default:
      return assertNever(word)
  }
}

const PROOFS = {
  encrypted: 'TLS',
  pkix: 'a certificate for its name',
  dane: 'the certificate of its TLSA records',
} as const

function demandLines({ proofs, reasons }: DemandSection): readonly Line[] {
  const must = proofs.length === 0 ? [] : [proofs.map((proof) => PROOFS[proof]).join(' and ')]
  return [
    ...must.map((text) => row('must show', text)),
    ...reasons.map(({ text, rfc }, index) => row(index === 0 ? 'because' : '', `${text}${references(rfc)}`)),
  ]
}

function daneLines({ kind, text, records = [] }: NonNullable<HostSection['dane']>): readonly Line[] {
  const words = kind === 'none' ? `does not apply: ${text}` : kind === 'failure' ? `cannot be looked up: ${text}` : text
  return [row('DANE', words), ...records.map((record) => row('', `TLSA ${record}`))]
}

function row(label: string, text: string): Line {
  return { indent: 4, label, labelWidth: LABEL_WIDTH, labelTone: 'quiet', text }
}

function addressLines({ address, guard, spare, session }: AddressSection): readonly Line[] {
  if (guard !== 'allowed') return [row('address', `${address}, not contacted: ${guard}`)]
  if (session === undefined)
    return [row('address', spare ? `${address}, not tried: enough others come first` : address)]
  return sessionLines(address, session)
}

const VERDICT_TONE = {
  proven: 'good',
  failed: 'bad',
  'no-channel': 'warning',
  'not-tried': 'quiet',
} as const satisfies Record<SessionSection['verdict'], Tone>

function sessionLines(address: string, session: SessionSection): readonly Line[] {
  const { verdict, level, problems, tls, reports, wouldHaveRefused = [] } = session
  const channel = tls === undefined ? '' : `, ${tls.protocol} ${tls.cipher}`
  const head: Line = {
    ...row('address', `${address}${channel}: ${verdictWords(verdict, level)}`),
    tone: VERDICT_TONE[verdict],
  }
  const [leaf, ...above] = tls?.chain ?? []
  const certificate =
    leaf === undefined
      ? []
      : [
          row('certificate', `${leaf.subject || 'no subject'}; names ${leaf.names.join(', ') || 'none'}`),
          row('', `valid from ${shortTime(leaf.validFrom)} to ${shortTime(leaf.validTo)}`),
          row('issued by', [leaf.issuer, ...above.map(({ issuer }) => issuer)].filter(isNew).join(' ← ')),
        ]
  return [
    head,
    ...problems.map((text) => row('', text)),
    ...wouldHaveRefused.map((text) => row('', `if enforced: ${text}`)),
    ...certificate,
    ...(reports ?? []).map(({ policyType, results }) => row('report', `${policyType}: ${results.join(', ')}`)),
  ]
}

/** A root is its own issuer: said once. */
function isNew(text: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(text) === index
}

function verdictWords(verdict: SessionSection['verdict'], level: string | undefined): string {
  switch (verdict) {
    case 'proven':
      return level === 'clear' ? 'no TLS, and none is demanded' : `good (${level ?? ''})`
    case 'failed':
      return 'refused'
    case 'no-channel':
      return 'no session'
    case 'not-tried':
      return 'not tried'
    default:
      return assertNever(verdict)
  }
}
