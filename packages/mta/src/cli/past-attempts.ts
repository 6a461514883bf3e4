/**
 * The last attempts of a message that still waits, from the delivery history, for `queue show`: the spool keeps what
 * each server last said, the history what was demanded of it and what it proved.
 */
import type { HistorySearch } from '../admin/trace-order.ts'
import type { MessageHistory } from '../history/delivery-history.ts'
import { foreignText } from '../observability/log-line.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { describeError } from './describe-error.ts'
import { latestText, type TracePaper } from './trace-text.ts'

export type PastAttempts =
  | { readonly kind: 'known'; readonly message: MessageHistory }
  | { readonly kind: 'nothing-known' }
  | { readonly kind: 'unreadable'; readonly why: string }

/** Trouble with the history does not hide the queue. */
export async function pastAttempts(id: QueueId, history: HistorySearch | undefined): Promise<PastAttempts> {
  if (history === undefined) return { kind: 'nothing-known' }
  try {
    const { messages } = await history.find({ by: { kind: 'id', id }, limit: 1 })
    const [message] = messages
    return message === undefined ? { kind: 'nothing-known' } : { kind: 'known', message }
  } catch (error) {
    return { kind: 'unreadable', why: describeError(error).text }
  }
}

export function attemptsText(past: PastAttempts, paper: TracePaper): string {
  switch (past.kind) {
    case 'nothing-known':
      return ''
    case 'unreadable':
      return `\nEarlier attempts are not known now: ${foreignText(past.why)}\n`
    case 'known': {
      const text = latestText(past.message, paper)
      return text === '' ? '' : `\nLast attempts (hermetic trace ${past.message.id} tells all):\n${text}`
    }
  }
}
