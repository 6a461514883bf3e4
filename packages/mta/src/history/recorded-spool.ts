/**
 * The spool as everybody uses it, with what enters it and what operators order of it told to the history. Adds no
 * promise and takes none away: the history is told after the answer, and is not waited for.
 */
import type { CrashSuspects } from '../spool/crash-suspects.ts'
import type { NewMessage, QueueAction, QueueChange, Spool, SpoolAdmin } from '../spool/spool.ts'
import type { SpoolAges } from '../spool/spool-ages.ts'

export interface SpoolListener {
  accepted(message: NewMessage): void
  ordered(changes: readonly QueueChange[], action: QueueAction): void
}

export type RecordedSpool = Spool & { readonly suspects: CrashSuspects; readonly ages: SpoolAges }

export function recordedSpool(spool: RecordedSpool, listener: SpoolListener): RecordedSpool {
  return {
    stage: (id) => spool.stage(id),
    accept: async (message) => {
      const answer = await spool.accept(message)
      if (answer.kind === 'accepted') listener.accepted(message)
      return answer
    },
    claim: (lane, options) => spool.claim(lane, options),
    renew: (tokens, leaseMs) => spool.renew(tokens, leaseMs),
    settle: async (token, settlement) => {
      const answer = await spool.settle(token, settlement)
      const entered = answer.kind === 'settled' || answer.kind === 'journalled'
      if (entered) for (const message of settlement.enqueue) listener.accepted(message)
      return answer
    },
    release: (tokens) => spool.release(tokens),
    dueLanes: (options) => spool.dueLanes(options),
    open: (id) => spool.open(id),
    admin: recordedAdmin(spool.admin, listener),
    health: () => spool.health(),
    close: () => spool.close(),
    suspects: spool.suspects,
    ages: spool.ages,
  }
}

export function recordedAdmin(admin: SpoolAdmin, listener: Pick<SpoolListener, 'ordered'>): SpoolAdmin {
  return {
    list: (filter, page) => admin.list(filter, page),
    page: (filter, page) => admin.page(filter, page),
    show: (id) => admin.show(id),
    summary: () => admin.summary(),
    overview: (ask) => admin.overview(ask),
    shape: (ask) => admin.shape(ask),
    change: async (ids, action) => {
      const changes = await admin.change(ids, action)
      listener.ordered(changes, action)
      return changes
    },
  }
}
