/**
 * `[dane]`: whether hosts are authenticated by what their zones say under DNSSEC. Pure.
 */
import { DEFAULT_DIGESTS, err, ok } from '@hermetic/policy'
import { defaulted, listOf, table } from '../setting.ts'
import { nameOf, quote, type ValueType } from '../value-type.ts'
import { choice } from '../value-types.ts'

/** Words where nothing else can be written: in the environment. */
const BY_WORD = { auto: 'auto', true: true, false: false } as const

const autoOrBoolean: ValueType<boolean | 'auto'> = {
  name: 'true, false or "auto"',
  toml: 'string',
  parse(input) {
    const write = 'true, false or "auto"'
    if (typeof input === 'boolean') return ok(input)
    if (typeof input !== 'string') return err({ wrong: `is ${nameOf(input)}, not true, false or "auto"`, write })
    const known = Object.entries(BY_WORD).find(([word]) => word === input)
    return known === undefined ? err({ wrong: `cannot be ${quote(input)}`, write }) : ok(known[1])
  },
}

export const dane = table(
  { sentence: 'DANE: authenticate hosts by the TLSA records of their DNSSEC-signed zones.' },
  {
    enabled: defaulted(autoOrBoolean, 'auto', {
      sentence:
        '"auto" turns DANE on when a start finds somebody who validates DNSSEC, and never off again: a later start without one accepts mail and holds it. true holds it from the first start on; false turns DANE off.',
      source: 'RFC 7672 §2.1.1, architecture, decision 6',
    }),
    insecure_mx: defaulted(choice('use', 'ignore'), 'use', {
      sentence:
        'What to do with TLSA records of hosts whose MX record is not signed: use demands what they say, ignore goes on as without them.',
      source: 'RFC 7672 §2.2.1',
    }),
    digests: listOf(choice('sha-512', 'sha-256'), DEFAULT_DIGESTS, {
      maxItems: DEFAULT_DIGESTS.length,
      sentence:
        'Digests of TLSA records, the strongest first: of several in one RRset only the strongest counts, and records with one that is not listed are unusable.',
      source: 'RFC 7671 §9, RFC 7672 §5',
    }),
  },
)
