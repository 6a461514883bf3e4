/**
 * The spool as a thread has it: its owner is asked for everything but the writing of contents that arrive, and the
 * reading of those in files. Leases are counted by this thread's own clock, from before the owner was asked.
 */
import type { ContentStore } from '../spool/content-store.ts'
import type { Claim, NewMessage, Settlement, Spool, SpoolAdmin, SpoolHealth } from '../spool/spool.ts'
import { travellingMessage } from './exact-bytes.ts'
import type { SaidByOwner, SaidByThread } from './protocol.ts'
import { type Room, ThreadGone } from './room.ts'

export type AskedSpool = Pick<
  Spool,
  'stage' | 'accept' | 'claim' | 'renew' | 'settle' | 'release' | 'open' | 'health'
> & { readonly admin: Pick<SpoolAdmin, 'show'> }

export interface AskedSpoolParts {
  readonly room: Room<SaidByThread, SaidByOwner>
  readonly contents: ContentStore
  /** As the owner last said it. */
  readonly health: () => SpoolHealth
  readonly monotonic: () => number
}

export function askedSpool({ room, contents, health, monotonic }: AskedSpoolParts): AskedSpool {
  return {
    stage: (id) => contents.stage(id),
    accept: async (message) => {
      const travelling = travellingMessage(message)
      try {
        return await room.ask('accept', { message: travelling.message }, travelling.buffers)
      } catch (error) {
        if (error instanceof ThreadGone) return { kind: 'unavailable', detail: error.message }
        throw error
      }
    },
    claim: async (lane, { limit, leaseMs }) => {
      const leaseUntilMono = monotonic() + leaseMs
      const claims = await room.ask('claim', { lane, limit, leaseMs })
      return claims.map((claim): Claim => ({ ...claim, leaseUntilMono }))
    },
    renew: (tokens, leaseMs) => room.ask('renew', { tokens, leaseMs }),
    settle: (token, settlement) => {
      const { enqueue, buffers } = travellingNotices(settlement.enqueue)
      return room.ask('settle', { token, settlement: { ...settlement, enqueue } }, buffers)
    },
    release: async (tokens) => void (await room.ask('release', { tokens })),
    open: async (id) => {
      const content = await room.ask('open', { id })
      if (content.kind === 'file') return contents.openRead(id, content.size)
      return { kind: 'memory', size: content.bytes.byteLength, bytes: content.bytes }
    },
    health,
    admin: { show: (id) => room.ask('show', { id }) },
  }
}

function travellingNotices(messages: Settlement['enqueue']): {
  readonly enqueue: readonly NewMessage[]
  readonly buffers: readonly ArrayBuffer[]
} {
  const travelling = messages.map(travellingMessage)
  return {
    enqueue: travelling.map(({ message }) => message),
    buffers: travelling.flatMap(({ buffers }) => buffers),
  }
}
