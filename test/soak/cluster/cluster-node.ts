/**
 * One relay of the cluster soak: started as an operator starts it, killed and started again, stopped and resumed; what
 * is done to it is written down.
 */
import { RelayInstance, type RelayOptions } from '../../interop/relay-instance.ts'
import { wallClock } from '../ledger.ts'
import type { Disturbances } from './disturbances.ts'

/** What it had written to its sockets is still read. */
const LAST_WORDS_MS = 25

export class ClusterNode {
  /** As it calls itself in EHLO. */
  readonly name: string
  readonly options: RelayOptions
  readonly #disturbances: Disturbances
  #relay: RelayInstance | undefined
  #isPaused = false

  constructor(name: string, options: RelayOptions, disturbances: Disturbances) {
    this.name = name
    this.options = { ...options, hostname: name }
    this.#disturbances = disturbances
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  async start(): Promise<void> {
    this.#relay = await RelayInstance.start(this.options)
  }

  /** A node that ended by itself is a failure of the soak. */
  assertRunning(): void {
    if (this.#relay?.running !== true) throw new Error(`${this.name} ended by itself: ${this.#relay?.output}`)
  }

  async kill(): Promise<void> {
    this.assertRunning()
    this.#disturbances.died(this.name, wallClock())
    await this.#relay?.kill()
    await new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))
  }

  pause(): void {
    this.assertRunning()
    this.#isPaused = true
    this.#disturbances.paused(this.name, wallClock())
    this.#relay?.pause()
  }

  resume(): void {
    this.#relay?.resume()
    this.#disturbances.resumed(this.name, wallClock())
    this.#isPaused = false
  }

  async stop(): Promise<void> {
    if (this.#isPaused) this.resume()
    await this.#relay?.stop()
  }
}
