/**
 * `[[limit]]`, and what `[delivery]` says of all sites: how much is sent to whom at once and in a time. Everything here
 * delays mail and refuses none. Pure; rules are in `limit-rules.ts`.
 */
import { ok, parseDomainName } from '@hermetic/policy'
import type { Rate } from '../../limits/rate.ts'
import { parseRate } from '../../limits/rate-text.ts'
import type { NamePattern } from '../../limits/site-limits.ts'
import { defaulted, listOf, optional, required, tableList } from '../setting.ts'
import { textType, type ValueType } from '../value-type.ts'
import { boolean, integer, matching } from '../value-types.ts'

const LIMITS_MAX = 1_000
const PATTERNS_MAX = 1_000
const CONNECTIONS = integer({ min: 1, max: 1_000 })
const BURST = integer({ min: 1, max: 10_000 })

const rate: ValueType<Rate> = textType(
  'rate',
  'so many in a time from a second to 31 days, e.g. "600/1m" or "5000/h"',
  (text) => {
    const parsed = parseRate(text)
    return parsed === undefined ? undefined : ok(parsed)
  },
)

const namePattern: ValueType<NamePattern> = textType(
  'name pattern',
  '"example.com", or "*.example.com" for every name below it',
  (text) => {
    const below = text.startsWith('*.')
    const name = parseDomainName(below ? text.slice(2) : text)
    return name.ok ? ok({ kind: below ? 'below' : 'exact', name: name.value }) : undefined
  },
)

/** `[delivery]`: what holds where no `[[limit]]` does. */
export const siteSettings = {
  concurrency_per_site: defaulted(CONNECTIONS, 20, {
    sentence:
      'Connections with transactions at the same time to one site (the set of hosts behind one or several domains).',
    source: 'architecture §3, docs/operating/limits.md',
  }),
  adaptive_concurrency: defaulted(boolean, true, {
    sentence:
      'Whether a site that cannot be reached gets half as many connections, and one more for each full round that it answers, up to concurrency_per_site.',
    source: 'RFC 5681 §3.1, docs/operating/limits.md',
  }),
  rate_per_site: optional(rate, {
    sentence: 'Messages that one site gets in a time; others wait in the queue.',
    source: 'ITU-T I.371, docs/operating/limits.md',
    whenAbsent: 'as many as it takes',
    example: '"600/1m"',
  }),
  burst_per_site: defaulted(BURST, 1, {
    sentence: 'So many of them may go at once after a rest; with 1 they go evenly.',
    source: 'ITU-T I.371',
  }),
}

export const limits = tableList(
  {
    maxItems: LIMITS_MAX,
    sentence:
      'How much is sent to some domains, or to the hosts of one provider: all that a table means shares its limits, over all relays of a queue. What a table leaves out is as in [delivery]. Limits delay mail and refuse none; docs/operating/limits.md tells more.',
  },
  {
    name: required(
      matching(
        'name',
        '1 to 32 small letters, digits and hyphens, e.g. "outlook"',
        /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
      ),
      {
        sentence: 'What it is called where mail waits for it.',
        source: 'docs/operating/limits.md',
        example: '"outlook"',
      },
    ),
    domain: listOf(namePattern, [], {
      maxItems: PATTERNS_MAX,
      sentence: 'Domains of recipients, whoever their hosts are.',
      source: 'architecture §3',
    }),
    mx: listOf(namePattern, [], {
      maxItems: PATTERNS_MAX,
      sentence:
        'Hosts, mail exchangers and smarthosts: mail for every domain all of whose hosts are among these. A table that names the domain comes first.',
      source: 'architecture §3',
    }),
    connections: optional(CONNECTIONS, {
      sentence: 'Connections with transactions at the same time.',
      source: 'architecture §3',
      whenAbsent: 'delivery.concurrency_per_site',
      example: '5',
    }),
    rate: optional(rate, {
      sentence: 'Messages in a time.',
      source: 'ITU-T I.371',
      whenAbsent: 'delivery.rate_per_site',
      example: '"100/1m"',
    }),
    burst: optional(BURST, {
      sentence: 'So many of them may go at once after a rest.',
      source: 'ITU-T I.371',
      whenAbsent: 'delivery.burst_per_site',
      example: '10',
    }),
    adaptive: optional(boolean, {
      sentence: 'Whether the connections follow what the hosts bear.',
      source: 'RFC 5681 §3.1',
      whenAbsent: 'delivery.adaptive_concurrency',
      example: 'false',
    }),
  },
)
