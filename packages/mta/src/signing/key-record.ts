/** The key record in DNS: RFC 6376 §3.6.1, RFC 8463 §4. What to publish, and what is wrong with what is published. Pure. */
import { publicKeyText, type SigningKey } from './signing-key.ts'

export function keyRecordName(domain: string, selector: string): string {
  return `${selector}._domainkey.${domain}`
}

/**
 * Without `s=`, which is every service, mail and TLS reports (RFC 8460 §3): a list is right too, but Python's dkim 1.1.4
 * takes `s=email:tlsrpt` for one unknown service and the key for none.
 */
export function keyRecordText(key: SigningKey): string {
  return `v=DKIM1; k=${keyType(key)}; p=${publicKeyText(key)}`
}

/**
 * For the key of TLS reports: both services by name, for who receives reports may insist on `tlsrpt` (RFC 8460 §3), and
 * with it alone every other verifier must ignore the key (RFC 6376 §3.6.1).
 */
export function reportKeyRecordText(key: SigningKey): string {
  return `v=DKIM1; k=${keyType(key)}; s=email:tlsrpt; p=${publicKeyText(key)}`
}

/** A line of a zone file; a string of it holds 255 octets (RFC 1035 §3.3). */
export function zoneLine(name: string, text: string): string {
  const strings = (text.match(/.{1,255}/g) ?? []).map((piece) => `"${piece}"`)
  return `${name}. IN TXT ( ${strings.join('\n    ')} )`
}

export type RecordFault =
  | 'not-a-key-record'
  | 'other-version'
  | 'revoked'
  | 'other-key-type'
  | 'other-key'
  | 'sha256-not-allowed'
  | 'not-for-mail'

export interface RecordJudgement {
  readonly faults: readonly RecordFault[]
  readonly testing: boolean
  readonly forReports: boolean
}

/** `t=s` is no hindrance: no `i=` is sent. */
export function judgeKeyRecord(text: string, key: SigningKey): RecordJudgement {
  const tags = tagsOf(text)
  if (tags === undefined) return { faults: ['not-a-key-record'], testing: false, forReports: false }
  const list = (name: string): readonly string[] | undefined =>
    tags
      .get(name)
      ?.split(':')
      .map((word) => word.trim())
  const published = tags.get('p')?.replace(/[ \t]/g, '')
  const services = list('s') ?? ['*']
  const serves = (service: string): boolean => services.includes('*') || services.includes(service)
  const hashes = list('h')
  const faults: (RecordFault | false)[] = [
    published === undefined && 'not-a-key-record',
    tags.has('v') && tags.get('v') !== 'DKIM1' && 'other-version',
    published === '' && 'revoked',
    (tags.get('k') ?? 'rsa') !== keyType(key) && 'other-key-type',
    published !== undefined && published !== '' && published !== publicKeyText(key) && 'other-key',
    hashes !== undefined && !hashes.includes('sha256') && 'sha256-not-allowed',
    !serves('email') && 'not-for-mail',
  ]
  return {
    faults: faults.filter((fault) => fault !== false),
    testing: (list('t') ?? []).includes('y'),
    forReports: serves('tlsrpt'),
  }
}

function keyType({ algorithm }: SigningKey): 'rsa' | 'ed25519' {
  return algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519'
}

/** RFC 6376 §3.2: a tag that is there twice spoils the list. */
function tagsOf(text: string): ReadonlyMap<string, string> | undefined {
  const tags = new Map<string, string>()
  for (const part of text.split(';')) {
    if (part.trim() === '') continue
    const [, name, value = ''] = /^\s*([A-Za-z][A-Za-z0-9_]*)\s*=([\s\S]*)$/.exec(part) ?? []
    if (name === undefined || tags.has(name)) return undefined
    tags.set(name, value.trim())
  }
  return tags
}
