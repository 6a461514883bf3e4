/**
 * The names of a queue's keys in Redis, and who owns each (architecture §3). They share one hash tag, so that one
 * shard holds one queue and every script may touch any of them. Policy cache and report tallies live outside it. Pure.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { SiteId } from '../limits/permits.ts'

export interface QueueKeys {
  /** `{hermetic:<queue>}`: what every key of the queue begins with; also BullMQ's prefix. */
  readonly tag: string
  /**
   * Sorted set, lane → when it wants a turn (ms of Redis TIME): lowered with `ZADD LT` by the spool's accept and
   * settle; raised and removed by the scheduler's scripts alone.
   */
  readonly due: string
  /** Sorted set of the spool, delivery → when it is due (ms): the lane's unclaimed deliveries. Read when a turn ends. */
  laneDue(lane: LaneId): string
  /** What every other key of the spool begins with (`spool/adapters/redis-lua/prelude.lua`). */
  readonly spool: string
  /** Hash of the scheduler, lane → the score that it left in `due`: another score means that somebody lowered it. */
  readonly taken: string
  /** Hash of the scheduler, lane → until when it backs off (ms). */
  readonly backoff: string
  /** Hash of the scheduler, `lane#slot` → the token of the turn that runs: ends of older turns count no more. */
  readonly turns: string
  /** Sorted set of the scheduler, lanes that made progress lately → when (ms). */
  readonly proven: string
  /** Sorted set of the scheduler, `lane#slot` of turns without progress → when they stop counting (ms). */
  readonly unproven: string
  /** Sorted set of the scheduler, lanes held back because others make no progress → since when (ms). */
  readonly held: string
  /** The same of lanes that were silent before. */
  readonly heldSilent: string
  /** Hash of the scheduler, lane → its turns without a word from a host since it last moved something. */
  readonly silences: string
  /** Sorted set of the scheduler, those of `unproven` whose lanes were silent before. */
  readonly silent: string
  /** Sorted set of the scheduler, lanes that have mail of the top class → since when (ms). */
  readonly urgent: string
  /** Sorted set of the scheduler, `node slots` → when the node stops counting (ms). */
  readonly slots: string
  /** Hash of the scheduler, node → its last answer, for the case that the answer was lost on the way. */
  readonly takes: string
  /** BullMQ's list of the lane jobs that wait for a worker. */
  readonly laneJobsWaiting: string
  /** Of the permits: `…:held`, `…:waiting`, `…:called` and `…:state` of one site. */
  permits(site: SiteId): string
  /** Sorted set of the permits, `…:held` of each site where this node may hold some → until when (ms). */
  permitSites(node: string): string
  /** Channel on which the permits of one node are called. */
  permitCalls(node: string): string
  /** Hash, node → what it says of itself. */
  readonly nodes: string
  /** Sorted set, node → its last beat (ms). */
  readonly nodeBeats: string
  /** Hash, node → the start that has the id. */
  readonly nodeHolders: string
  /** Hash, node → what an operator wants of it. */
  readonly nodeWishes: string
}

/** Tags of what is kept outside of the queue's own: in a Cluster each of them may be on another shard. */
export interface OtherTags {
  readonly policies: string
  readonly results: string
  readonly suppression: string
}

export function otherTags(queue: string): OtherTags {
  return {
    policies: `{hermetic-policy:${queue}}`,
    results: `{hermetic-tlsrpt:${queue}}`,
    suppression: `{hermetic:${queue}:suppression}`,
  }
}

/** BullMQ's name for the queue of lane jobs. */
export const LANE_JOBS = 'lanes'

export function queueKeys(queue: string): QueueKeys {
  const tag = `{hermetic:${queue}}`
  return {
    tag,
    due: `${tag}:due`,
    laneDue: (lane) => `${tag}:lane:${lane}`,
    spool: `${tag}:spool:`,
    taken: `${tag}:lanes-taken`,
    backoff: `${tag}:lanes-backoff`,
    turns: `${tag}:lanes-turns`,
    proven: `${tag}:lanes-proven`,
    unproven: `${tag}:lanes-unproven`,
    held: `${tag}:lanes-held`,
    heldSilent: `${tag}:lanes-held-silent`,
    silences: `${tag}:lanes-silences`,
    silent: `${tag}:lanes-silent`,
    urgent: `${tag}:lanes-urgent`,
    slots: `${tag}:lanes-slots`,
    takes: `${tag}:lanes-takes`,
    laneJobsWaiting: `${tag}:${LANE_JOBS}:wait`,
    permits: (site) => `${tag}:permits:${site}`,
    permitSites: (node) => `${tag}:permit-sites:${node}`,
    permitCalls: (node) => `${tag}:permit-calls:${node}`,
    nodes: `${tag}:nodes`,
    nodeBeats: `${tag}:nodes-beats`,
    nodeHolders: `${tag}:nodes-holders`,
    nodeWishes: `${tag}:nodes-wishes`,
  }
}
