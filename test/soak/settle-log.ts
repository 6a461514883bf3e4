/**
 * Reads `message-settled` from the relay's log lines: the relay's own word, after the commit, that a delivery is
 * settled (docs/log-events.md). Pure.
 */
import type { Settle } from './ledger.ts'

const LANE = /^mx:(.+):\d+$/

/** Undefined for every other line. */
export function parseSettled(line: string): Settle | undefined {
  if (!line.includes('"message-settled"')) return undefined
  const fields = parsedObject(line)
  const { event, time, id, lane } = fields
  if (event !== 'message-settled' || typeof time !== 'string' || typeof id !== 'string') return undefined
  const [, domain] = LANE.exec(String(lane)) ?? []
  return domain === undefined ? undefined : { id, domain, at: Date.parse(time) }
}

function parsedObject(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    // A line that the kill cut short.
    return {}
  }
}
