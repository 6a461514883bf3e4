/** A report as tables for people. All of it may be a stranger's text. Pure. */
import type { ReadFailure, ReadPolicy, ReadReport } from '@hermetic/reporter'
import { foreignText } from '../observability/log-line.ts'
import { counted, formatTable } from './table.ts'

/** Beyond, the report itself is the better reading. */
const POLICIES_SHOWN = 200
const FAILURES_SHOWN = 100
const STRINGS_SHOWN = 30
const FINDINGS_SHOWN = 30

export function reportTables(report: ReadReport, width: number | undefined): string {
  const { policies, findings } = report
  const good = policies.reduce((sum, one) => sum + one.successfulSessions, 0)
  const failed = policies.reduce((sum, one) => sum + one.failedSessions, 0)
  return [
    fact('Report', report.reportId),
    fact('From', report.organizationName),
    fact('Contact', report.contactInfo),
    fact('Days', `${text(report.start)} to ${text(report.end)}`),
    fact('Sessions', `${good} good, ${failed} failed, by policy`),
    policyTables(policies, width),
    findings.length === 0 ? '' : `\n${findingsText(findings, width)}`,
  ].join('')
}

/** Each behind an empty line. */
export function policyTables(policies: readonly ReadPolicy[], width: number | undefined): string {
  const shown = policies.slice(0, POLICIES_SHOWN).map((policy) => `\n${policyText(policy, width)}`)
  return `${shown.join('')}${more(policies.length - POLICIES_SHOWN, 'policy entry')}`
}

function policyText(policy: ReadPolicy, width: number | undefined): string {
  const { policyType, policyDomain, policyString, mxHost, successfulSessions, failedSessions, failures } = policy
  return [
    `${text(policyType)} ${text(policyDomain)}: ${successfulSessions} good, ${failedSessions} failed\n`,
    ...policyString.slice(0, STRINGS_SHOWN).map((line) => `    ${foreignText(line)}\n`),
    more(policyString.length - STRINGS_SHOWN, 'line'),
    mxHost.length === 0 ? '' : `    for hosts ${mxHost.slice(0, STRINGS_SHOWN).map(foreignText).join(', ')}\n`,
    failures.length === 0 ? '' : indented(failureTable(failures.slice(0, FAILURES_SHOWN), width)),
    more(failures.length - FAILURES_SHOWN, 'kind of failure', 'kinds of failure'),
  ].join('')
}

const FAILURE_COLUMNS = [
  { title: 'SESSIONS', align: 'right' },
  { title: 'RESULT' },
  { title: 'HOST' },
  { title: 'ADDRESS' },
  { title: 'FROM' },
  { title: 'REASON' },
] as const

function failureTable(failures: readonly ReadFailure[], width: number | undefined): string {
  const rows = failures.map((failure) => [
    String(failure.sessions),
    failure.resultType ?? '?',
    failure.receivingMxHostname ?? failure.receivingMxHelo ?? '',
    failure.receivingIp ?? '',
    failure.sendingMtaIp ?? '',
    [failure.failureReasonCode, failure.additionalInformation].filter((one) => one !== undefined).join(' '),
  ])
  return formatTable(FAILURE_COLUMNS, rows, width === undefined ? undefined : width - INDENT.length)
}

const INDENT = '  '

function indented(table: string): string {
  return table.replace(/^(?=.)/gm, INDENT)
}

function findingsText(findings: ReadReport['findings'], width: number | undefined): string {
  const rows = findings.slice(0, FINDINGS_SHOWN).map(({ path, kind }) => [kind, path === '' ? 'the report' : path])
  const table = formatTable([{ title: 'DEPARTS FROM RFC 8460' }, { title: 'WHERE' }], rows, width)
  return `${table}${more(findings.length - FINDINGS_SHOWN, 'departure')}`
}

function fact(name: string, value: string | undefined): string {
  return `${name.padEnd(9)} ${text(value)}\n`
}

function text(value: string | undefined): string {
  return value === undefined ? '(not said)' : foreignText(value)
}

function more(count: number, noun: string, plural?: string): string {
  if (count <= 0) return ''
  return `    and ${plural === undefined || count === 1 ? counted(count, `more ${noun}`) : `${count} more ${plural}`}\n`
}
