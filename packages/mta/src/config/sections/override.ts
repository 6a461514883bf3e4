/**
 * `[[policy_override]]`: what the operator says about the policies of single domains. Pure.
 * Rules that look at several settings are in `override-rules.ts`.
 */
import { type OverriddenDomain, ok, parseDomainName, type Result, WAIVE_DAYS_MAX } from '@hermetic/policy'
import { endInstant } from '../instant.ts'
import { listOf, optional, required, tableList } from '../setting.ts'
import { textType, type ValueProblem, type ValueType } from '../value-type.ts'
import { choice, matching } from '../value-types.ts'

/** What is kept by hand; thousands of domains are a preload list. */
const OVERRIDES_MAX = 1_000
/** There are two policies that somebody may publish. */
const MECHANISMS_MAX = 2

const overriddenDomain: ValueType<OverriddenDomain> = textType(
  'domain',
  '"example.com", or "*.example.com" for every domain below it and not itself',
  (text): Result<OverriddenDomain, ValueProblem> | undefined => {
    const below = text.startsWith('*.')
    const name = parseDomainName(below ? text.slice(2) : text)
    return name.ok ? ok({ domain: name.value, ...(below ? { below } : {}) }) : undefined
  },
)

const sentenceOf = (name: string, max: number): ValueType<string> =>
  matching(name, `1 to ${max} characters on one line`, new RegExp(`^(?=.*\\S)\\P{Cc}{1,${max}}$`, 'u'))

export const policyOverrides = tableList(
  {
    maxItems: OVERRIDES_MAX,
    sentence:
      'One thing that is different for the mail of one domain: more is demanded (require), a published policy is waived for a time (waive), or policies are only observed (enforcement).',
  },
  {
    domain: required(overriddenDomain, {
      sentence:
        'Whose mail: the domain as a recipient’s address has it, or the smarthost that a route names; "*.…" means every domain below.',
      source: 'RFC 7672 §9.1, docs/operating/overrides.md',
      example: '"example.com"',
    }),
    require: optional(choice('dane', 'pkix', 'encrypted'), {
      sentence:
        'Demanded besides what the domain publishes: a host proven by DANE, a certificate for its name from a trusted authority, or TLS whatever the certificate.',
      source: 'RFC 7672 §6, RFC 3207 §6',
      whenAbsent: 'nothing more is demanded',
      example: '"pkix"',
    }),
    waive: listOf(choice('mta-sts', 'dane'), [], {
      maxItems: MECHANISMS_MAX,
      sentence: 'Published policies that are ignored until a date, with reason and author; empty: none.',
      source: 'RFC 7672 §9.1',
    }),
    reason: optional(sentenceOf('reason', 200), {
      sentence: 'Why it is waived, for whoever reads the log, the list or an explanation.',
      source: 'RFC 7672 §9.1',
      whenAbsent: 'only for overrides that waive nothing',
      example: '"their certificate is being replaced, ticket 4711"',
    }),
    author: optional(sentenceOf('name', 100), {
      sentence: 'Who answers for it.',
      source: 'RFC 7672 §9.1',
      whenAbsent: 'only for overrides that waive nothing',
      example: '"Jane Doe"',
    }),
    until: optional(endInstant, {
      sentence: `When it ends by itself: a date, to the end of that day in UTC, or a date with time and offset; at most ${WAIVE_DAYS_MAX} days ahead.`,
      source: 'architecture §5',
      whenAbsent: 'only for overrides that waive nothing',
      example: '"2026-12-31"',
    }),
    enforcement: optional(choice('enforce', 'observe'), {
      sentence:
        'In place of delivery.enforcement: observe looks at MTA-STS and DANE, tells what they would have refused, and refuses nothing.',
      source: 'RFC 7672 §9.1, docs/operating/overrides.md',
      whenAbsent: 'as delivery.enforcement says',
      example: '"observe"',
    }),
  },
)
