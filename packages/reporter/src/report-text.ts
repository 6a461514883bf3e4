/**
 * The first part of a report mail (RFC 8460 §5.3): what a postmaster should know at a glance, as lines of plain ASCII.
 * The JSON beside it is what counts (RPT-75), so nothing is said here that is not in it. Pure.
 */
import type { FailureEntry, PolicyEntry, TlsReport } from './report.ts'
import { isResultType, RESULT_TYPE_MEANING } from './result-type.ts'

const WIDTH = 76
/** Per policy; the rest is in the JSON. */
const FAILURES_SHOWN = 10
/** Of the organization; lines have an end. */
const NAME_SHOWN = 200

const POLICY_NAMES = {
  sts: 'MTA-STS policy of',
  tlsa: 'DANE TLSA records of',
  'no-policy-found': 'no policy found for',
} as const satisfies Record<PolicyEntry['policy']['policy-type'], string>

export interface GlancedReport {
  readonly policyDomain: string
  readonly report: TlsReport
  readonly fileName: string
}

export function reportText({ policyDomain, report, fileName }: GlancedReport): string {
  const organization = report['organization-name'].slice(0, NAME_SHOWN)
  const day = report['date-range']['start-datetime'].slice(0, 10)
  return [
    ...wrapped(`TLS report about ${policyDomain} for ${day} (UTC), from ${organization}.`),
    '',
    ...wrapped(conclusion(report)),
    ...report.policies.flatMap((entry) => ['', ...policyLines(entry)]),
    '',
    ...wrapped(
      `You get this because ${policyDomain} publishes a record at _smtp._tls.${policyDomain} that asks for it (RFC 8460). ` +
        `The whole report is attached as ${fileName}. Questions: ${report['contact-info']}`,
    ),
    '',
  ].join('\r\n')
}

function conclusion({ policies }: TlsReport): string {
  const failed = sum(policies, 'total-failure-session-count')
  const all = failed + sum(policies, 'total-successful-session-count')
  if (failed === 0) return `All is well: ${counted(all, 'check of a session', 'checks of sessions')}, none failed.`
  return `LOOK AT THIS: of ${counted(all, 'check of a session', 'checks of sessions')} against your policies, ${failed} failed.`
}

function sum(policies: readonly PolicyEntry[], member: keyof PolicyEntry['summary']): number {
  return policies.reduce((total, { summary }) => total + summary[member], 0)
}

function policyLines({ policy, summary, 'failure-details': details }: PolicyEntry): readonly string[] {
  const shown = details.toSorted((a, b) => b['failed-session-count'] - a['failed-session-count'])
  const hidden = shown.length - FAILURES_SHOWN
  return [
    ...wrapped(
      `${POLICY_NAMES[policy['policy-type']]} ${policy['policy-domain']}: ` +
        `${summary['total-successful-session-count']} good, ${summary['total-failure-session-count']} failed`,
    ),
    ...shown.slice(0, FAILURES_SHOWN).flatMap(failureLines),
    ...(hidden > 0
      ? [`  and ${counted(hidden, 'more kind of failure', 'more kinds of failure')} in the attachment`]
      : []),
  ]
}

function failureLines(failure: FailureEntry): readonly string[] {
  const type = failure['result-type']
  const meaning = isResultType(type) ? ` (${RESULT_TYPE_MEANING[type]})` : ''
  const host = failure['receiving-mx-hostname']
  const reason = failure['failure-reason-code']
  const where = host === undefined ? '' : ` at ${host}`
  const why = reason === undefined ? '' : `, reason ${reason}`
  return wrapped(`- ${failure['failed-session-count']} x ${type}${where}${why}${meaning}`, '  ', '      ')
}

function counted(number: number, one: string, more: string): string {
  return `${number} ${number === 1 ? one : more}`
}

/** A word that is longer than a line stays whole: names and codes are to be copied. */
function wrapped(text: string, first = '', later = ''): readonly string[] {
  const lines: string[] = []
  let line = first
  let margin = first
  for (const word of text
    .replace(/[^\x20-\x7e]/gu, '?')
    .split(' ')
    .filter((part) => part !== '')) {
    if (line !== margin && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      margin = later
      line = margin + word
    } else {
      line = line === margin ? margin + word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
