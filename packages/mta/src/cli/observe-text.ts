/** What observed policies would have refused, as people and programs like to read it. Pure. */
import { assertNever } from '@hermetic/policy'
import type { ObservedDomain } from '../history/observed.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import { isoTime, type Paper } from './queue-text.ts'
import { counted, formatAge, formatTable } from './table.ts'

export interface Survey {
  /** UTC milliseconds: from when on. */
  readonly since: number
  readonly domains: readonly ObservedDomain[]
  /** The oldest entry of the history; absent: it is empty. */
  readonly reachesBackTo?: number
  /** Whether anything is observed at all now. */
  readonly policies: LocalPolicyReport
}

/** What `--json` prints; names are promises. */
export function observedJson({ domain, deliveries, refused, lastAt, reasons, hosts }: ObservedDomain): string {
  return JSON.stringify({
    domain,
    deliveries,
    would_have_refused: refused,
    last_at: lastAt === undefined ? null : isoTime(lastAt),
    reasons: Object.fromEntries(reasons.map(({ reason, refused: count }) => [reason, count])),
    hosts: hosts.map(({ mxHostname, deliveries: all, refused: count }) => {
      return { mx_hostname: mxHostname, deliveries: all, would_have_refused: count }
    }),
  })
}

export function observedText(survey: Survey, { now, width }: Paper): string {
  const { since, domains, policies } = survey
  const deliveries = domains.reduce((sum, domain) => sum + domain.deliveries, 0)
  const refused = domains.filter((domain) => domain.refused > 0)
  const would = refused.reduce((sum, domain) => sum + domain.refused, 0)
  const all = `${deliveries} ${deliveries === 1 ? 'delivery' : 'deliveries'} to mail exchangers of ${counted(domains.length, 'domain')}`
  const refusals = would === 0 ? 'none of them' : `${would} of them, at ${counted(refused.length, 'domain')}`
  const head = `In the last ${formatAge(now - since)}: ${all}.\nEnforcing MTA-STS and DANE would have refused ${refusals}.\n`
  return `${head}${tableOf(refused, { now, width })}${notes(survey, policies)}`
}

function tableOf(refused: readonly ObservedDomain[], { now, width }: Paper): string {
  if (refused.length === 0) return ''
  const columns = [
    { title: 'DOMAIN' },
    { title: 'REFUSED', align: 'right' },
    { title: 'OF', align: 'right' },
    { title: 'LAST', align: 'right' },
    { title: 'HOSTS' },
    { title: 'REASONS' },
  ] as const
  const rows = refused.map(({ domain, deliveries, refused: count, lastAt, hosts, reasons }) => [
    ...[domain, String(count), String(deliveries)],
    lastAt === undefined ? '' : `${formatAge(now - lastAt)} ago`,
    some(hosts.filter((host) => host.refused > 0).map(({ mxHostname, refused: times }) => `${mxHostname} (${times})`)),
    reasons.map(({ reason, refused: times }) => `${reasonWords(reason)} (${times})`).join(', '),
  ])
  return `\n${formatTable(columns, rows, width)}`
}

/** More are told by `--json`. */
const HOSTS_MAX = 3

function some(hosts: readonly string[]): string {
  const more = hosts.length - HOSTS_MAX
  return `${hosts.slice(0, HOSTS_MAX).join(' ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** In the words of the codes; a code that is not here stands for itself. */
const REASONS: Readonly<Record<string, string>> = {
  'not-encrypted': 'no TLS',
  'certificate-untrusted': 'certificate of no trusted authority',
  'certificate-name-mismatch': 'certificate for another name',
  'tlsa-mismatch': 'certificate that no TLSA record means',
  'tlsa-lookup-failed': 'TLSA records that could not be looked up',
  'sts-mx-mismatch': 'host that the policy does not name',
}

function reasonWords(reason: string): string {
  return (Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined) ?? reason
}

function notes({ since, reachesBackTo }: Survey, { enforcement, overrides }: LocalPolicyReport): string {
  const observed = overrides.filter((one) => one.kind === 'enforcement' && one.enforcement === 'observe')
  const short =
    reachesBackTo !== undefined && reachesBackTo > since
      ? `The history begins at ${isoTime(reachesBackTo)}: before that nothing is known.\n`
      : ''
  return `${short}${observing(
    enforcement,
    observed.map(({ domain }) => domain),
  )}`
}

function observing(enforcement: LocalPolicyReport['enforcement'], domains: readonly string[]): string {
  switch (enforcement) {
    case 'observe':
      return ''
    case 'enforce':
      return domains.length === 0
        ? 'Nothing is observed now: policies are enforced everywhere ([delivery] enforcement).\n'
        : `Observed now: ${domains.join(', ')}; everywhere else policies are enforced.\n`
    default:
      return assertNever(enforcement)
  }
}
