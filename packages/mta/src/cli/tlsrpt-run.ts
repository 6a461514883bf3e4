/** `hermetic tlsrpt run`: sends daily reports now, or tells what would be sent. */
import { parseUtcDay, type ReportPreview, type RunSummary, type UtcDay, utcDayOf } from '@hermetic/reporter'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import { readArguments } from './arguments.ts'
import { NO_RELAY, openReports } from './open-reports.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted, formatBytes, formatTable } from './table.ts'
import { EXIT, type Terminal, UsageError, UserError } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  day: { type: 'string' },
  now: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

/** Records are looked up for as many at once. */
const PAGE = 20

interface Wish {
  readonly day: UtcDay | undefined
  readonly urgent: boolean
  readonly json: boolean
}

export async function tlsrptRun(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = readArguments(args, OPTIONS)
  const wish: Wish = { day: dayOf(values.day, terminal), urgent: values.now, json: values.json }
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  if (!settings.config.tlsrpt.enabled) throw new UserError('reports are off; [tlsrpt] enabled = true turns them on')
  const opened = await openReports(settings.config)
  if (opened === undefined) throw new UserError(NO_RELAY)
  try {
    if (values['dry-run']) return await preview(wish, opened.reports, terminal)
    if (opened.by !== 'relay') throw new UserError(NO_RELAY)
    return await send(wish, opened.reports, terminal)
  } finally {
    opened.close()
  }
}

function dayOf(text: string | undefined, terminal: Terminal): UtcDay | undefined {
  if (text === undefined) return undefined
  const day = parseUtcDay(text)
  if (day === undefined) throw new UsageError('--day takes a day as 2026-11-21')
  if (day > utcDayOf(terminal.now())) throw new UsageError(`${day} is still to come (UTC)`)
  return day
}

async function send({ day, urgent, json }: Wish, reports: ReportAdmin, terminal: Terminal): Promise<number> {
  if (urgent && day === utcDayOf(terminal.now())) {
    terminal.err(`${day} is not over: it is closed here, and sessions from now on are in no report of that day.\n`)
  }
  const answer = await reports.run(day === undefined ? { urgent } : { day, urgent })
  if (answer.kind === 'goes-on') {
    terminal.err('The run goes on in the relay; hermetic tlsrpt pending tells what is left.\n')
    return EXIT.done
  }
  terminal.out(json ? `${JSON.stringify(answer.summary)}\n` : summaryText(answer.summary))
  return EXIT.done
}

function summaryText({ reports, submitted, waiting, givenUp, notWanted, recordUnknown }: RunSummary): string {
  if (reports === 0) return 'No report was due.\n'
  const parts = [
    `${counted(submitted, 'target')} served`,
    `${waiting} to be tried again`,
    `${givenUp} given up`,
    ...(notWanted > 0 ? [`${counted(notWanted, 'report')} not wanted any more`] : []),
    ...(recordUnknown > 0 ? [`${counted(recordUnknown, 'record')} that DNS did not tell`] : []),
  ]
  return `${counted(reports, 'report')}: ${parts.join(', ')}.\n`
}

const COLUMNS = [
  { title: 'DAY' },
  { title: 'DOMAIN' },
  { title: 'GOOD', align: 'right' },
  { title: 'FAILED', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'TARGET' },
] as const

async function preview({ day, json }: Wish, reports: ReportAdmin, terminal: Terminal): Promise<number> {
  const days = (await reports.days()).filter((one) => day === undefined || one === day)
  let count = 0
  for (const one of days) {
    let after: ReportPreview['policyDomain'] | undefined
    do {
      const { previews, next } = await reports.preview(one, { limit: PAGE, after })
      if (json) terminal.out(previews.map((report) => `${JSON.stringify(report)}\n`).join(''))
      else if (previews.length > 0) terminal.out(formatTable(COLUMNS, previews.flatMap(rowsOf), terminal.columns))
      count += previews.length
      after = next
    } while (after !== undefined)
  }
  terminal.err(count === 0 ? 'No report would be sent.\n' : `${counted(count, 'report')}; nothing was sent.\n`)
  return EXIT.done
}

function rowsOf(report: ReportPreview): readonly (readonly string[])[] {
  const { day, policyDomain, successfulSessions, failedSessions, octets, targets, ignored } = report
  const size = octets === undefined ? 'a defect' : formatBytes(octets)
  const row = (text: string) => [day, policyDomain, String(successfulSessions), String(failedSessions), size, text]
  const rows = targets.ok
    ? targets.value.map(({ uri, state, reason }) =>
        row(state === 'waiting' ? uri : `${uri} (${state}${reason === undefined ? '' : `: ${reason}`})`),
      )
    : [row(`none (${targets.error})`)]
  return [...rows, ...ignored.map(({ uri, reason }) => row(`${uri} (ignored: ${reason})`))]
}
