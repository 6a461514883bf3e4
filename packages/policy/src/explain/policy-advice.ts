/** What the policy itself says, held against the hosts that the domain publishes (RFC 8461 §3.2, §4.1, §5). Pure. */
import { isSubdomainOf, parseHostname } from '../domain-name.ts'
import { type MxPattern, matchesMx, mxPatternText } from '../mta-sts/mx-match.ts'
import { MAX_AGE_SECONDS, type StsPolicy } from '../mta-sts/policy-file.ts'
import type { Advice } from './advice.ts'
import type { ExplainFacts, HostFacts, StsLookups } from './facts.ts'
import { hostAlias } from './host-section.ts'
import { spanWords } from './plain.ts'

const DAY_SECONDS = 86_400
/** RFC 8461 §3.2: weeks or greater. */
const WEEK_SECONDS = 7 * DAY_SECONDS
const MATCH_RFC = ['RFC 8461 §4.1']
/** As published: what is beyond the limit was cut when it was read. */
const MAX_AGE_LINE = /^max_age[\t ]*:[\t ]*(\d{1,10})[\t ]*$/

export function policyAdvice(facts: ExplainFacts): readonly Advice[] {
  const { sts } = facts
  if (sts.kind === 'not-consulted') return []
  const policy = spokenOf(sts)
  if (policy === undefined) return []
  const subject = `the policy of ${sts.policyDomain}`
  if (policy.mode === 'none') return [withdrawn(subject), ...nullMx(facts, subject)]
  return [
    ...unnamedHosts(facts, policy),
    ...nullMx(facts, subject),
    ...testing(policy, subject),
    ...age(policy, subject),
    ...unusedPatterns(facts, { policy, subject }),
  ]
}

/** What the owner publishes now, else what is in force. */
function spokenOf({ policyHost, facts }: StsLookups): StsPolicy | undefined {
  if (policyHost.kind === 'served') return policyHost.policy
  if (facts?.kind === 'policy') return facts.policy
  return facts?.kind === 'none' && facts.because.kind === 'mode-none' ? facts.because.entry.policy : undefined
}

function withdrawn(subject: string): Advice {
  return {
    ...{ code: 'policy-mode-none', severity: 'hint', subject, rfc: ['RFC 8461 §5', 'RFC 8461 §8.3'] },
    text: 'The mode is none: the domain says that it has no policy.',
    remedy: 'To protect its mail, publish mode testing, then enforce, under a new id.',
  }
}

function testing({ mode }: StsPolicy, subject: string): readonly Advice[] {
  if (mode !== 'testing') return []
  return [
    {
      ...{ code: 'policy-mode-testing', severity: 'hint', subject, rfc: ['RFC 8461 §5'] },
      text: 'The mode is testing: failures are reported, and mail is delivered in spite of them.',
      remedy: 'When the reports are clean, change the mode to enforce and the id in the TXT record.',
    },
  ]
}

function age({ maxAgeSeconds, lines }: StsPolicy, subject: string): readonly Advice[] {
  const rfc = ['RFC 8461 §3.2', 'RFC 8461 §10.2']
  const written = lines.map((line) => MAX_AGE_LINE.exec(line)?.[1]).find((value) => value !== undefined)
  if (Number(written ?? 0) > MAX_AGE_SECONDS) {
    const text = `max_age is ${written} seconds; senders cut it to ${MAX_AGE_SECONDS}, about a year.`
    return [
      {
        code: 'policy-max-age-long',
        severity: 'hint',
        subject,
        rfc: ['RFC 8461 §3.2'],
        text,
        remedy: `Write at most ${MAX_AGE_SECONDS}.`,
      },
    ]
  }
  if (maxAgeSeconds >= WEEK_SECONDS) return []
  const severity = maxAgeSeconds < DAY_SECONDS ? 'warning' : 'hint'
  const text = `max_age is ${spanWords(maxAgeSeconds * 1000)}: who blocks the policy host for that long can strip the protection.`
  const remedy = 'Use weeks (1209600 is two), once the policy has proven itself.'
  return [{ code: 'policy-max-age-short', severity, subject, rfc, text, remedy }]
}

/** RFC 7505: there is nobody whom a policy could name. */
function nullMx({ route }: ExplainFacts, subject: string): readonly Advice[] {
  if (route.kind !== 'mx' || route.answer?.kind !== 'null-mx') return []
  return [
    {
      ...{ code: 'policy-without-mail', severity: 'hint', subject, rfc: ['RFC 7505 §3'] },
      text: 'The domain takes no mail (null MX), so its policy is never used.',
      remedy: 'Remove the policy, or the null MX if the domain is to take mail.',
    },
  ]
}

function publishedHosts({ hosts, route }: ExplainFacts): readonly HostFacts[] {
  return route.kind === 'mx' ? hosts : []
}

function unnamedHosts(facts: ExplainFacts, policy: StsPolicy): readonly Advice[] {
  return publishedHosts(facts).flatMap((host) => {
    const name = parseHostname(host.implicit && facts.route.kind === 'mx' ? facts.route.domain : host.name)
    if (!name.ok || matchesMx(name.value, policy.mx) !== undefined) return []
    const { code, text } = unnamedWords(host, { name: name.value, policy })
    const consequence =
      policy.mode === 'enforce' ? 'Senders never contact it.' : 'In mode enforce, senders would never contact it.'
    return [
      {
        ...{ code, severity: policy.mode === 'enforce' ? 'broken' : 'warning', subject: name.value, rfc: MATCH_RFC },
        text: `${text} ${consequence}`,
        remedy: `Add "mx: ${name.value}" to the policy and change the id in the TXT record, or take the host out of the MX records.`,
      } satisfies Advice,
    ]
  })
}

function unnamedWords(
  host: HostFacts,
  { name, policy }: { readonly name: Parameters<typeof matchesMx>[0]; readonly policy: StsPolicy },
): { readonly code: string; readonly text: string } {
  const alias = hostAlias(host)
  const target = alias === undefined ? undefined : parseHostname(alias)
  const byAlias = target?.ok ? matchesMx(target.value, policy.mx) : undefined
  if (byAlias !== undefined) {
    const text = `The policy names ${alias}, of which this host is an alias; what counts is the name in the MX record.`
    return { code: 'mx-not-in-policy-alias', text }
  }
  const deep = policy.mx.find((pattern) => missedByDepth(name, pattern))
  if (deep === undefined) return { code: 'mx-not-in-policy', text: 'The policy does not name this host.' }
  const why =
    deep.name === name
      ? `${mxPatternText(deep)} covers hosts below ${deep.name}, not ${deep.name} itself.`
      : `${mxPatternText(deep)} covers exactly one label, and this host has more of them.`
  return { code: 'mx-not-in-policy-wildcard-depth', text: `The policy does not name this host: ${why}` }
}

function missedByDepth(name: Parameters<typeof matchesMx>[0], { kind, name: base }: MxPattern): boolean {
  return kind === 'wildcard' && (name === base || isSubdomainOf(name, base))
}

function unusedPatterns(
  facts: ExplainFacts,
  { policy, subject }: { readonly policy: StsPolicy; readonly subject: string },
): readonly Advice[] {
  const names = publishedHosts(facts).flatMap(({ name, implicit }) => {
    const parsed = parseHostname(implicit && facts.route.kind === 'mx' ? facts.route.domain : name)
    return parsed.ok ? [parsed.value] : []
  })
  // Nothing is known of the hosts, or the domain has none: the pattern is not what is wrong.
  if (names.length === 0) return []
  return policy.mx
    .filter((pattern) => !names.some((name) => matchesMx(name, [pattern]) !== undefined))
    .slice(0, UNUSED_SHOWN_MAX)
    .map((pattern) => ({
      ...{ code: 'policy-mx-unused', severity: 'hint', subject, rfc: ['RFC 8461 §3.2'] },
      text: `"mx: ${mxPatternText(pattern)}" names none of the hosts in the MX records.`,
      remedy: 'Correct it, or remove it if it is not kept for a host to come.',
    }))
}

/** A policy of 64 kilobytes has room for thousands. */
const UNUSED_SHOWN_MAX = 10
