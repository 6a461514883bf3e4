/**
 * Waiting messages that match a filter, a page at a time, oldest first. A page may be short, or empty, and more matches all
 * the same: the relay looks at so many messages for each.
 */
import { PAGE_MAX } from '../admin/control-protocol.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { QueueFilter, QueuePage, SpoolAdmin } from '../spool/spool.ts'

export interface Wanted {
  readonly limit: number
  readonly after?: QueueId | undefined
}

export async function* queuePages(
  spool: Pick<SpoolAdmin, 'page'>,
  filter: QueueFilter,
  { limit, after }: Wanted,
): AsyncGenerator<QueuePage> {
  let left = limit
  let from = after
  while (left > 0) {
    const size = Math.min(left, PAGE_MAX)
    const page = await spool.page(filter, from === undefined ? { limit: size } : { limit: size, after: from })
    yield page
    left -= page.entries.length
    from = page.more
    if (from === undefined) return
  }
}
