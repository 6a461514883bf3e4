/**
 * What happens while a queue empties, between the tenth and the ninetieth percent of the arrivals: the rate, how many
 * transactions each process had open as the peer saw it, and the CPU time of the peer and of Redis. Linux only.
 */
import { readFileSync } from 'node:fs'
import type { RedisServer } from '../lab/redis-server.ts'

export interface Measured {
  /** Messages a second. */
  readonly rate: number
  /** Transactions open at once, on average, of each process. */
  readonly open: readonly number[]
  /** CPU seconds a second: the peer with DNS, redis-server. */
  readonly cores: { readonly peer: number; readonly redis: number }
}

interface Ran {
  readonly messages: number
  readonly redis: RedisServer
}

/** Milliseconds. */
interface Usage {
  readonly at: number
  readonly own: number
  readonly redis: number
}

/** Without the start of the processes and the last stragglers. */
export class MiddleOfRun {
  readonly #ground: Ran
  readonly #open = new Map<string, { now: number; since: number; sum: number }>()
  #arrived = 0
  #began: Usage | undefined
  #ended: Usage | undefined

  constructor(ground: Ran) {
    this.#ground = ground
  }

  arrived(): void {
    this.#arrived += 1
    const { messages } = this.#ground
    if (this.#arrived === Math.floor(messages * 0.1)) {
      this.#began = usage(this.#ground.redis)
      for (const one of this.#open.values()) Object.assign(one, { since: this.#began.at, sum: 0 })
    }
    if (this.#arrived !== Math.floor(messages * 0.9)) return
    this.#ended = usage(this.#ground.redis)
    for (const one of this.#open.values()) one.sum += one.now * (this.#ended.at - one.since)
  }

  transacting(clientName: string, isOpen: boolean): void {
    if (this.#ended !== undefined) return
    const at = performance.now()
    const one = this.#open.get(clientName) ?? { now: 0, since: at, sum: 0 }
    this.#open.set(clientName, one)
    one.sum += one.now * (at - one.since)
    one.since = at
    one.now += isOpen ? 1 : -1
  }

  measured(): Measured {
    const [from, to] = [this.#began, this.#ended]
    if (from === undefined || to === undefined) throw new Error('too few have arrived')
    const ms = to.at - from.at
    return {
      rate: (this.#ground.messages * 0.8) / (ms / 1000),
      open: [...this.#open.values()].map(({ sum }) => sum / ms),
      cores: { peer: (to.own - from.own) / ms, redis: (to.redis - from.redis) / ms },
    }
  }
}

/** Of `/proc/PID/stat`: user and system time, in ticks of 10 ms, as everywhere on Linux. */
const TICK_MS = 10
const AFTER_NAME = { user: 11, system: 12 }

function usage(redis: RedisServer): Usage {
  const { user, system } = process.cpuUsage()
  const stat = readFileSync(`/proc/${redis.pid()}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[AFTER_NAME.user]) + Number(fields[AFTER_NAME.system])
  return { at: performance.now(), own: (user + system) / 1000, redis: ticks * TICK_MS }
}
