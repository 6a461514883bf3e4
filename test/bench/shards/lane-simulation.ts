/**
 * How many turns a second the lanes of a large queue take: arrivals at random in lanes of very different size, a turn as
 * soon as a lane has mail, more turns of one lane while batches are full. Pure: the same seed gives the same answer.
 */
import type { SeededRandom } from '../../soak/random.ts'

export interface Load {
  readonly lanes: number
  readonly messagesPerSecond: number
  readonly seconds: number
}

/** Of `delivery/` and `schedule/`: what a turn takes at once, and how many one lane has at most. */
const BATCH = 50
const SLOTS_PER_LANE = 64
/** Connect, greeting, EHLO, STARTTLS and EHLO at a host 30 ms away; then a transaction with PIPELINING. */
const TURN_S = 0.2
const TRANSACTION_S = 0.06

export interface SimulatedLoad {
  readonly messages: number
  readonly turns: number
  readonly lanesAtOnce: number
}

export function simulateLanes({ lanes, messagesPerSecond, seconds }: Load, random: SeededRandom): SimulatedLoad {
  // A few destinations get most of the mail: the n-th in size gets 1/n of the largest.
  const weight = Array.from({ length: lanes }, (_, index) => 1 / (index + 1))
  const sum = weight.reduce((total, one) => total + one, 0)
  let [messages, turns, busySeconds] = [0, 0, 0]
  for (const share of weight) {
    const one = simulateLane((messagesPerSecond * share) / sum, seconds, random)
    messages += one.messages
    turns += one.turns
    busySeconds += one.busySeconds
  }
  return { messages, turns, lanesAtOnce: busySeconds / seconds }
}

function simulateLane(rate: number, seconds: number, random: SeededRandom) {
  let [messages, turns, busySeconds, waiting] = [0, 0, 0, 0]
  let ends: number[] = []
  const begin = (at: number): void => {
    const taken = Math.min(BATCH, waiting)
    waiting -= taken
    turns += 1
    const lasts = TURN_S + taken * TRANSACTION_S
    busySeconds += lasts
    ends.push(at + lasts)
  }
  const endTurnsUntil = (at: number): void => {
    for (let next = Math.min(...ends); next <= at; next = Math.min(...ends)) {
      ends = ends.filter((end) => end !== next)
      if (waiting > 0) begin(next)
    }
  }
  for (let at = exponential(rate, random); at < seconds; at += exponential(rate, random)) {
    endTurnsUntil(at)
    messages += 1
    waiting += 1
    if (ends.length === 0 || (waiting >= BATCH && ends.length < SLOTS_PER_LANE)) begin(at)
  }
  return { messages, turns, busySeconds }
}

function exponential(rate: number, random: SeededRandom): number {
  return -Math.log(1 - random.next()) / rate
}
