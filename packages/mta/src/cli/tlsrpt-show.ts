/** `hermetic tlsrpt show`: what was counted of one domain on one day, as its report would tell it. */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import { isClosed, type PolicyEntry, parseUtcDay, type ReadPolicy, type UtcDay, utcDayOf } from '@hermetic/reporter'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import { readArguments } from './arguments.ts'
import { openReports, sourceText } from './open-reports.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { policyTables } from './tlsrpt-report-text.ts'
import { EXIT, type Terminal, UsageError } from './verb.ts'

const OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean', default: false } } as const
const DAY_MS = 86_400_000

interface Asked {
  readonly domain: DomainName
  readonly day: UtcDay
}

interface Shown extends Asked {
  readonly closed: boolean
}

export async function tlsrptShow(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, { min: 2, max: 2, name: 'a domain and a day' })
  const asked = readAsked(positionals, terminal.now())
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  const opened = await openReports(settings.config)
  if (opened === undefined) {
    terminal.err('Nothing was counted here: there is no tlsrpt.db.\n')
    return EXIT.failed
  }
  try {
    terminal.err(sourceText(opened.by))
    const sums = await opened.reports.sums(asked.domain, asked.day)
    const shown = { ...asked, closed: await isShut(asked.day, opened.reports, terminal.now()) }
    return values.json ? tellJson(shown, sums, terminal) : tell(shown, sums, terminal)
  } finally {
    opened.close()
  }
}

function readAsked([domainText = '', dayText = '']: readonly string[], now: number): Asked {
  const domain = parseDomainName(domainText)
  if (!domain.ok) throw new UsageError(`${JSON.stringify(domainText)} is not a domain`)
  const words: Readonly<Record<string, UtcDay>> = { today: utcDayOf(now), yesterday: utcDayOf(now - DAY_MS) }
  const day = words[dayText] ?? parseUtcDay(dayText)
  if (day === undefined) throw new UsageError('DAY is a day as 2026-11-21 (UTC), today or yesterday')
  return { domain: domain.value, day }
}

/** By its time, or before it by an operator's order: then its reports have one. */
async function isShut(day: UtcDay, reports: Pick<ReportAdmin, 'reports'>, now: number): Promise<boolean> {
  if (isClosed(day, now)) return true
  const [first] = await reports.reports(day, { limit: 1 })
  return first !== undefined && (first.done || first.dueAt !== undefined)
}

function tellJson({ domain, day, closed }: Shown, policies: readonly PolicyEntry[] = [], terminal: Terminal): number {
  terminal.out(`${JSON.stringify({ domain, day, closed, policies })}\n`)
  return policies.length === 0 ? EXIT.failed : EXIT.done
}

function tell(
  { domain, day, closed }: Shown,
  policies: readonly PolicyEntry[] | undefined,
  terminal: Terminal,
): number {
  if (policies === undefined) {
    terminal.err(`${domain}: nothing is kept of ${day}. ${NOTHING}\n`)
    return EXIT.failed
  }
  const state = closed ? 'closed' : 'still counting'
  terminal.out(`${domain} on ${day} (UTC), ${state}\n${policyTables(policies.map(asRead), terminal.columns)}`)
  return EXIT.done
}

const NOTHING =
  'Sessions count for domains that publish a record at _smtp._tls, and for two days after the day; those of the last second are on their way.'

/** As if somebody had sent it to us. */
function asRead({ policy, summary, 'failure-details': details }: PolicyEntry): ReadPolicy {
  return {
    policyType: policy['policy-type'],
    policyDomain: policy['policy-domain'],
    policyString: policy['policy-string'],
    mxHost: policy['mx-host'] ?? [],
    successfulSessions: summary['total-successful-session-count'],
    failedSessions: summary['total-failure-session-count'],
    failures: details.map((failure) => ({
      resultType: failure['result-type'],
      sessions: failure['failed-session-count'],
      sendingMtaIp: failure['sending-mta-ip'],
      receivingMxHostname: failure['receiving-mx-hostname'],
      receivingMxHelo: failure['receiving-mx-helo'],
      receivingIp: failure['receiving-ip'],
      additionalInformation: undefined,
      failureReasonCode: failure['failure-reason-code'],
    })),
  }
}
