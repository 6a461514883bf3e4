/**
 * Reads `message-settled` from the relay's log lines: the relay's own word, after the commit, that a delivery is
 * settled (docs/log-events.md), and at least one recipient with it delivered. Pure.
 */
import type { Settle } from './ledger.ts'

const LANE = /^mx:(.+):\d+$/

/** Undefined for every other line. */
export function parseSettled(line: string): Settle | undefined {
  if (!line.includes('"message-settled"')) return undefined
  const fields = parsedObject(line)
  const { event, time, id, lane, summary } = fields
  // A deferral says nothing of the mail; a line without the counts is believed to tell of a delivery.
  if (typeof summary === 'object' && summary !== null && 'delivered' in summary && summary.delivered === 0)
    return undefined
  if (event !== 'message-settled' || typeof time !== 'string' || typeof id !== 'string') return undefined
  const [, domain] = LANE.exec(String(lane)) ?? []
  return domain === undefined ? undefined : { id, domain, at: Date.parse(time) }
}

/** The message whose outcome the store could not take. */
export function parseJournalled(line: string): string | undefined {
  if (!line.includes('"spool-settle-journalled"')) return undefined
  const { event, id } = parsedObject(line)
  return event === 'spool-settle-journalled' && typeof id === 'string' ? id : undefined
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
