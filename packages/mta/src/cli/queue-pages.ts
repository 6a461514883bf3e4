/** Waiting messages that match a filter, a page at a time, oldest first. */
import { PAGE_MAX } from '../admin/control-protocol.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { QueueEntry, QueueFilter, SpoolAdmin } from '../spool/spool.ts'

export async function* queuePages(
  spool: Pick<SpoolAdmin, 'list'>,
  filter: QueueFilter,
  limit: number,
): AsyncGenerator<readonly QueueEntry[]> {
  let left = limit
  let after: QueueId | undefined
  while (left > 0) {
    const size = Math.min(left, PAGE_MAX)
    const page = await spool.list(filter, after === undefined ? { limit: size } : { limit: size, after })
    if (page.length > 0) yield page
    left -= page.length
    after = page.at(-1)?.id
    if (page.length < size) return
  }
}
