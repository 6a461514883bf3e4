/** `hermetic tlsrpt read`: reports that others sent. Strangers wrote them: read within bounds, printed harmlessly. */
import { closeSync, openSync, readSync } from 'node:fs'
import { REPORT_OCTETS_MAX, type ReadReportError, readReport } from '@hermetic/reporter'
import { describeSystemError } from '../config/system-error.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION } from './settings.ts'
import { formatBytes } from './table.ts'
import { reportTables } from './tlsrpt-report-text.ts'
import { EXIT, type Terminal } from './verb.ts'

const OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean', default: false } } as const
const FILES_MAX = 10_000
const STANDARD_INPUT = '-'

export async function tlsrptRead(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: FILES_MAX, name: 'files' })
  const names = positionals.length === 0 ? [STANDARD_INPUT] : positionals
  let unread = 0
  for (const name of names) {
    const problem = tell(name, { json: values.json, several: names.length > 1 }, terminal)
    if (problem === undefined) continue
    unread += 1
    terminal.err(`${JSON.stringify(name)}: ${problem}\n`)
  }
  return unread > 0 ? EXIT.failed : EXIT.done
}

/** Answers why it is no report. */
function tell(
  name: string,
  { json, several }: { readonly json: boolean; readonly several: boolean },
  terminal: Terminal,
): string | undefined {
  let bytes: Buffer
  try {
    bytes = contentOf(name)
  } catch (error) {
    return `cannot be read: ${describeSystemError(error)}`
  }
  const report = readReport(bytes)
  if (!report.ok) return errorText(report.error)
  if (json) terminal.out(`${JSON.stringify(report.value)}\n`)
  else terminal.out(`${several ? `== ${JSON.stringify(name)}\n` : ''}${reportTables(report.value, terminal.columns)}`)
  return undefined
}

/** One octet more than what is read, so that more is told from all. */
function contentOf(name: string): Buffer {
  const file = name === STANDARD_INPUT ? 0 : openSync(name, 'r')
  try {
    const chunks: Buffer[] = []
    let length = 0
    while (length <= REPORT_OCTETS_MAX) {
      const chunk = Buffer.allocUnsafe(CHUNK)
      const octets = readSync(file, chunk)
      if (octets === 0) break
      length += octets
      chunks.push(chunk.subarray(0, octets))
    }
    return Buffer.concat(chunks)
  } finally {
    if (file !== 0) closeSync(file)
  }
}

const CHUNK = 64 * 1024

function errorText(error: ReadReportError): string {
  switch (error.kind) {
    case 'too-large':
      return `is larger than ${formatBytes(error.octetsMax)}`
    case 'too-complex':
      return error.excess === 'depth' ? 'is JSON that nests too deep' : 'is JSON with too many values'
    default:
      return ERROR_TEXT[error.kind]
  }
}

const ERROR_TEXT = {
  'damaged-compression': 'is compressed, and damaged',
  'no-report': 'is neither JSON nor a mail with a TLS report in it',
  'malformed-json': 'is not JSON',
  'other-json': 'is JSON, and no TLS report',
} as const satisfies Record<Exclude<ReadReportError['kind'], 'too-large' | 'too-complex'>, string>
