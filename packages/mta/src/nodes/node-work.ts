/**
 * What this node has done since its start, counted from the events that it emits, and the lanes that it runs now.
 */
import type { DeliveryEvent } from '../delivery/events.ts'
import type { Turn } from '../schedule/lane-scheduler.ts'
import type { SubmissionEvent } from '../submission/events.ts'
import { RecentCount } from './recent-count.ts'

export interface WorkCounts {
  readonly lanes: number
  readonly accepted: number
  readonly delivered: number
  readonly acceptedLately: number
  readonly deliveredLately: number
}

export class NodeWork {
  readonly #monotonic: () => number
  readonly #recentlyAccepted = new RecentCount()
  readonly #recentlyDelivered = new RecentCount()
  #turns = 0
  #accepted = 0
  #delivered = 0

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Every event of this node. */
  see(event: { readonly event: string }): void {
    if (isAccepted(event)) this.#accepted += 1
    else if (isSettled(event)) this.#delivered += event.summary.delivered
  }

  counted(turn: Turn): Turn {
    return async (lane, context) => {
      this.#turns += 1
      try {
        return await turn(lane, context)
      } finally {
        this.#turns -= 1
      }
    }
  }

  look(): WorkCounts {
    const at = this.#monotonic()
    return {
      lanes: this.#turns,
      accepted: this.#accepted,
      delivered: this.#delivered,
      acceptedLately: this.#recentlyAccepted.look(this.#accepted, at),
      deliveredLately: this.#recentlyDelivered.look(this.#delivered, at),
    }
  }
}

type Accepted = Extract<SubmissionEvent, { readonly event: 'message-accepted' }>
type Settled = Extract<DeliveryEvent, { readonly event: 'message-settled' }>

function isAccepted(event: { readonly event: string }): event is Accepted {
  return event.event === 'message-accepted'
}

function isSettled(event: { readonly event: string }): event is Settled {
  return event.event === 'message-settled'
}
