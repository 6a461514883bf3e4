/**
 * What one turn of a lane has at hand: the world around it, and what it knows of itself so far. Decides nothing.
 */
import type { Permit } from '../limits/permits.ts'
import type { TurnContext } from '../schedule/lane-scheduler.ts'
import type { Spool } from '../spool/spool.ts'
import type { AttemptOptions } from './attempt.ts'
import type { PooledSession } from './connection-pool.ts'
import type { DeliveryEvent } from './events.ts'
import type { Destination, FactsSource } from './facts.ts'
import type { Lane, LaneId } from './lane.ts'
import type { LaneHealth } from './lane-health.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { Logins } from './login-breaker.ts'
import type { Settler, SettlerOptions } from './settler.ts'
import type { SuppressedOptions } from './suppressed-recipients.ts'
import type { TransactionRight } from './transaction-right.ts'
import type { TurnOfLane, TurnsOfLanes } from './turns-of-lane.ts'
import type { WaitingLanes } from './waiting-lanes.ts'

export interface TurnWorld {
  readonly spool: Pick<Spool, 'claim'>
  readonly facts: FactsSource
  readonly waiting: WaitingLanes
  readonly health: LaneHealth
  readonly turns: TurnsOfLanes
  readonly logins: Pick<Logins, 'refused'>
  readonly leases: LeaseKeeper
  readonly settler: SettlerOptions
  readonly attempt: Pick<AttemptOptions, 'pool' | 'session' | 'dial' | 'reports' | 'connectionsMax'>
  readonly transactions: Omit<AttemptOptions['transactions'], 'onDone' | 'onTaken' | 'onStopped'>
  /** Absent: no address is suppressed. */
  readonly suppressed: SuppressedOptions['find'] | undefined
  readonly leaseMs: number
  /** Claims at once, at the most. */
  readonly batch: number
  /** What a transaction behind its final dot may still take when we stop. */
  readonly stopGraceMs: number
  readonly now: () => number
  readonly monotonic: () => number
  readonly random: () => number
  readonly emit: (event: DeliveryEvent) => void
}

export interface TurnState {
  readonly world: TurnWorld
  readonly id: LaneId
  readonly lane: Lane
  readonly context: TurnContext
  readonly settler: Settler
  readonly using: Set<PooledSession>
  feedback: 'good' | 'failed' | 'unused'
  readonly permit: Permit | undefined
  readonly right: TransactionRight
  /** What was found before the permit was taken: a policy without an age serves the attempt it was fetched for. */
  found: Destination | undefined
  batch: number
  /** Among the lane's other turns. */
  readonly among: TurnOfLane
  /** A host answered a message of this batch. */
  answered: boolean
  /** Gives back what is claimed and not on its way to a host. */
  handOver: () => void
}

export function nextHopName({ lane: { nextHop } }: TurnState): string {
  return nextHop.kind === 'name' ? nextHop.name : nextHop.address
}
