/** `[[dkim]]`: the keys that sign mail, by domain. Pure. Rules that look at several settings are in `dkim-rules.ts`. */
import { type DomainName, ok, parseDomainName } from '@hermetic/policy'
import { defaulted, optional, required, tableList } from '../setting.ts'
import { textType, type ValueType } from '../value-type.ts'
import { boolean, choice, matching, path } from '../value-types.ts'

/** More than any list of domains that is kept by hand. */
const KEYS_MAX = 10_000

const signingDomain: ValueType<DomainName> = textType(
  'domain',
  'a domain with a dot, without a wildcard, e.g. "example.com"',
  (text) => {
    const name = parseDomainName(text)
    return name.ok && name.value.includes('.') ? ok(name.value) : undefined
  },
)

/** RFC 6376 §3.1: sub-domains; those of RFC 5321 are letters, digits and hyphens. */
const SELECTOR = /^(?=.{1,200}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/

export function isSelector(text: string): boolean {
  return SELECTOR.test(text)
}

export const selector = matching('selector', 'letters in lower case, digits, hyphens and dots, e.g. "s1"', SELECTOR)

export const dkimKeys = tableList(
  {
    maxItems: KEYS_MAX,
    sentence:
      'A key that signs mail by its From domain. Several with one domain make several signatures, e.g. RSA and Ed25519. hermetic dkim keygen makes one; docs/operating/dkim.md tells the way.',
  },
  {
    domain: required(signingDomain, {
      sentence: 'Whose mail is signed: the domain in From, and d= of the signature.',
      source: 'RFC 6376 §3.5',
      example: '"example.com"',
    }),
    selector: required(selector, {
      sentence: 'Which key record verifiers look up: selector._domainkey.domain.',
      source: 'RFC 6376 §3.1',
      example: '"s1"',
    }),
    key_file: optional(path, {
      sentence:
        'The private key in PEM: RSA of 2048 to 4096 bits, or Ed25519. Read at the start; others must not be able to write it.',
      source: 'RFC 8301 §3.2, RFC 8463',
      whenAbsent: 'selector._domainkey.domain.pem in dkim/ of data_dir, where hermetic dkim keygen puts it',
      example: '"/etc/hermetic/s1.pem"',
    }),
    subdomains: defaulted(boolean, true, {
      sentence: 'Signs for every domain below too that has no key of its own.',
      source: 'RFC 6376 §3.10, RFC 7489 §3.1.1',
    }),
    canonicalization: defaulted(
      choice('relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'),
      'relaxed/relaxed',
      {
        sentence: 'What may change on the way without breaking the signature: header, then body.',
        source: 'RFC 6376 §3.4',
      },
    ),
  },
)
