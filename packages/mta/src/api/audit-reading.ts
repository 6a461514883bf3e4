/** The audit as it is read: the two lines of each order together, oldest first; lines that a crash cut off are left out. */
import { readFile } from 'node:fs/promises'
import { isErrno } from '../spool/durable-file.ts'
import type { AuditBegin, AuditEnd, AuditLine } from './audit.ts'

export type AuditedOrder = AuditBegin & Partial<Pick<AuditEnd, 'status' | 'messages' | 'detail'>>

/** With what was put aside last. */
export async function readAudit(path: string): Promise<readonly AuditedOrder[]> {
  const orders = new Map<string, AuditedOrder>()
  for (const file of [`${path}.1`, path]) {
    for (const line of (await textOf(file)).split('\n')) {
      const entry = parseLine(line)
      if (entry?.kind === 'begin') {
        const { kind: _, ...begin } = entry
        orders.set(entry.id, begin)
      } else if (entry?.kind === 'end') {
        const begun = orders.get(entry.id)
        const { status, messages, detail } = entry
        if (begun !== undefined) orders.set(entry.id, { ...begun, status, messages, detail })
      }
    }
  }
  return [...orders.values()]
}

type Columns = readonly { readonly title: string }[]

const COLUMNS: Columns = ['TIME', 'TOKEN', 'FROM', 'ORDER', 'WITH', 'RESULT', 'MESSAGES'].map((title) => ({ title }))

export function auditText(
  orders: readonly AuditedOrder[],
  table: (columns: Columns, rows: readonly (readonly string[])[]) => string,
): string {
  const rows = orders.map(({ at, token, client, operation, request, status, messages }) => [
    ...[at, token, client, operation, JSON.stringify(request) ?? ''],
    ...[status === undefined ? 'not known' : String(status), messages === undefined ? '-' : String(messages)],
  ])
  return table(COLUMNS, rows)
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return ''
    throw error
  }
}

function parseLine(line: string): AuditLine | undefined {
  try {
    const value: unknown = JSON.parse(line)
    // Our own file, which nobody else may write.
    return typeof value === 'object' && value !== null && 'id' in value && 'kind' in value
      ? (value as AuditLine)
      : undefined
  } catch {
    return undefined
  }
}
