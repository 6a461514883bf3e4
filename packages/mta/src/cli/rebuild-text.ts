/** What a rebuild found, in sentences. Pure. */
import { type MendFinding, type MendKind, type MendReport, NOT_MENDED } from '../spool/mend-report.ts'
import { counted } from './table.ts'

const SENTENCES: Readonly<Record<MendKind, string>> = {
  'message-not-listed': 'messages that no list named',
  'message-not-there': 'entries of messages that are not there',
  'delivery-missing': 'deliveries that nobody would have tried',
  'delivery-in-doubt':
    'deliveries that nobody would have tried, perhaps under way just now: due again in a minute, unless their outcome comes',
  'delivery-twice': 'deliveries that were under way and would have been given out again',
  'delivery-at-wrong-time': 'deliveries at another time than their own',
  'delivery-stray': 'entries of lanes without a delivery',
  'stopped-missing': 'held or quarantined deliveries that no list named',
  'stopped-stray': 'entries of held deliveries that are not',
  'lease-stray': 'leases of deliveries that are not there',
  'age-not-watched': 'messages whose age nobody watched',
  'size-wrong': 'sums of bytes that were wrong',
  'column-wrong': 'columns that did not say what their message says',
  'class-wrong': 'messages that stood among another class than their priority says',
  'index-damaged': 'entries of indexes that were wrong',
  'key-of-wrong-kind': 'keys that somebody else had written into',
  'lane-missing': 'lanes with mail that were not due at any time',
  'lane-stray': 'lanes that were due without mail',
  'lane-far': 'lanes that were due long after their mail',
  'lane-job-lost': 'lanes that waited for a job that was lost',
  'backoff-far': 'lanes that were to wait longer than any failure makes them',
  'job-stray': 'jobs that are not of this relay, or not jobs at all',
  'job-lost': 'jobs that no worker would have taken',
  'job-counter': 'counters behind their jobs',
  'jobs-paused': 'pauses and limits on the jobs',
  'message-damaged': 'damaged messages',
  'delivery-without-message': 'deliveries without a message',
  'store-damaged': 'damages of the store itself',
}

/** `before`: with what was mended; `after`: what a second look found. */
export function rebuildText(before: MendReport, after: MendReport | undefined): string {
  const looked = `${counted(before.messages, 'message')} in ${counted(before.lanes, 'lane')} looked at.\n`
  if (before.findings.length === 0) return `${looked}Everything is right.\n`
  const found = `${looked}${after === undefined ? 'Wrong, and left so' : 'Wrong until now'}:\n${findingsText(before.findings)}`
  if (after === undefined) return found
  if (after.findings.length === 0) return `${found}Everything is right now.\n`
  const left = after.findings.filter(({ kind }) => NOT_MENDED.has(kind))
  const again = after.findings.filter(({ kind }) => !NOT_MENDED.has(kind))
  return (
    found +
    (left.length > 0 ? `Cannot be mended from the messages, because it is of them:\n${findingsText(left)}` : '') +
    (again.length > 0 ? `Found again by a second look:\n${findingsText(again)}` : '')
  )
}

function findingsText(findings: readonly MendFinding[]): string {
  const digits = Math.max(...findings.map(({ count }) => String(count).length))
  return findings
    .map(
      ({ kind, count, examples }) =>
        `  ${String(count).padStart(digits)} ${SENTENCES[kind]}${exampleText(count, examples)}\n`,
    )
    .join('')
}

function exampleText(count: number, examples: readonly string[]): string {
  if (examples.length === 0) return ''
  return ` (${examples.join(', ')}${count > examples.length ? ', …' : ''})`
}
