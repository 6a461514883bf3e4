/** `hermetic tlsrpt pending`: reports that are not done. */
import type { ReportState, TargetState } from '@hermetic/reporter'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import { readArguments } from './arguments.ts'
import { openReports, sourceText } from './open-reports.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted, formatAge, formatTable } from './table.ts'
import { EXIT, type Terminal } from './verb.ts'

const OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean', default: false } } as const
const PAGE = 200
/** What fits somebody's patience; --json tells all. */
const ROWS_MAX = 1_000

export async function tlsrptPending(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = readArguments(args, OPTIONS)
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  const opened = await openReports(settings.config)
  if (opened === undefined) {
    terminal.err('Nothing was counted here: there is no tlsrpt.db.\n')
    return EXIT.done
  }
  try {
    terminal.err(sourceText(opened.by))
    await (values.json ? tellJson : tellTable)(opened.reports, terminal)
  } finally {
    opened.close()
  }
  return EXIT.done
}

async function* pendingReports(reports: ReportAdmin): AsyncGenerator<ReportState> {
  for (const day of await reports.days()) {
    let after: ReportState['policyDomain'] | undefined
    for (;;) {
      const page = await reports.reports(day, { limit: PAGE, after })
      yield* page.filter(({ done, dueAt, setAside }) => !done && (dueAt !== undefined || setAside === true))
      after = page.at(-1)?.policyDomain
      if (page.length < PAGE) break
    }
  }
}

async function tellJson(reports: ReportAdmin, terminal: Terminal): Promise<void> {
  for await (const report of pendingReports(reports)) terminal.out(`${JSON.stringify(report)}\n`)
}

const COLUMNS = [
  { title: 'DAY' },
  { title: 'DOMAIN' },
  { title: 'STATE' },
  { title: 'ATTEMPTS', align: 'right' },
  { title: 'NEXT' },
  { title: 'REASON' },
  { title: 'TARGET' },
] as const

async function tellTable(reports: ReportAdmin, terminal: Terminal): Promise<void> {
  const rows: (readonly string[])[] = []
  let [count, aside] = [0, 0]
  for await (const report of pendingReports(reports)) {
    count += 1
    if (report.setAside === true) aside += 1
    if (rows.length < ROWS_MAX) rows.push(...rowsOf(report, terminal.now()))
  }
  if (count === 0) terminal.err('No report waits.\n')
  else {
    terminal.out(formatTable(COLUMNS, rows, terminal.columns))
    terminal.err(`${counted(count, 'report')} not done.\n`)
    if (aside > 0) terminal.err(`${counted(aside, 'report')} of these set aside: ${ASIDE_HELP}\n`)
  }
}

const ASIDE_HELP =
  'what is stored of each is damaged, so that it is never sent. It is deleted with its day, and nothing has to be done; ' +
  'if there are more and more, look at the disk or the memory that holds them.'

function rowsOf(report: ReportState, now: number): readonly (readonly string[])[] {
  const { day, policyDomain, targets, dueAt = now, claimed, setAside, damaged } = report
  if (setAside === true) {
    const reason = damaged === true ? 'what became of its targets cannot be read' : 'its sums cannot be read'
    return [[day, policyDomain, 'set aside', '', 'never', reason, '']]
  }
  const inTime = (at: number): string => (at <= now ? 'now' : `in ${formatAge(at - now)}`)
  // While it is worked on, the time is the end of the lease.
  const next = claimed ? 'being sent' : inTime(dueAt)
  if (targets.length === 0) return [[day, policyDomain, 'planned', '', next, '', '']]
  return targets.map(({ uri, state, attempts, nextAt = dueAt, reason = '' }: TargetState) => {
    const when = state === 'waiting' ? (claimed ? next : inTime(nextAt)) : ''
    return [day, policyDomain, state, String(attempts), when, reason, uri]
  })
}
