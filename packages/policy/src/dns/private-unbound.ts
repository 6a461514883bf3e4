/**
 * A validating `unbound` of our own: found, started, and started again when it ends (architecture, decision 6). It
 * forwards to the name servers of the configuration, or asks the root itself.
 *
 * Whether it validates is not known here (`self-test.ts`); nor what a missing one means (`validation-state.ts`).
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { ok, type Result } from '../result.ts'
import { ROOT_ANCHORS } from './root-anchors.ts'
import type { NameServer } from './transport.ts'
import { startUnboundChild, type UnboundChild, type UnboundChildOptions } from './unbound-child.ts'
import { ANCHOR_FILE } from './unbound-config.ts'
import { prepareDirectory, renewAnchors, restoreAnchors } from './unbound-directory.ts'
import type { UnboundProblem } from './unbound-problem.ts'
import { findUnbound } from './unbound-program.ts'

export interface PrivateUnboundOptions {
  /** Made when it is missing, and closed to everybody else. */
  readonly directory: string
  /** Where the program is looked for. */
  readonly folders: readonly string[]
  readonly forwarders: readonly NameServer[]
  /** Those of the root when absent. */
  readonly anchors?: readonly string[]
  readonly random: () => number
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly emit: EmitPolicyEvent
}

/** A port may be taken between its choice and its use. */
const START_ATTEMPTS = 3
const RETRY_MS = 250
const RETRY_MS_MAX = 30_000
/** Who lived that long has not just failed to start. */
const HEALTHY_MS = 60_000

export class PrivateUnbound {
  readonly #options: PrivateUnboundOptions
  readonly #stopping = new AbortController()
  readonly #listeners = new Set<() => void>()
  #child: UnboundChild | undefined
  #problem: UnboundProblem = { kind: 'silent', lastWords: '' }
  #supervision: Promise<void> = Promise.resolve()

  /** Answers when it runs, or why it cannot. */
  static async start(options: PrivateUnboundOptions): Promise<Result<PrivateUnbound, UnboundProblem>> {
    const unbound = new PrivateUnbound(options)
    const begun = await unbound.#begin()
    return begun.ok ? ok(unbound) : begun
  }

  private constructor(options: PrivateUnboundOptions) {
    this.#options = options
  }

  /** The one that runs now; answers of its predecessors are nobody's. */
  get child(): UnboundChild | undefined {
    return this.#child?.alive === true ? this.#child : undefined
  }

  /** Why there is no child. */
  get problem(): UnboundProblem {
    return this.#problem
  }

  /** Called when a child has started or ended. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#child?.stop()
    await this.#supervision
  }

  async #begin(): Promise<Result<undefined, UnboundProblem>> {
    const child = await this.#start()
    if (!child.ok) return child
    this.#supervision = this.#supervise(child.value)
    return ok(undefined)
  }

  async #supervise(first: UnboundChild): Promise<void> {
    let child: UnboundChild | undefined = first
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      if (child !== undefined) {
        const startedAt = this.#options.now()
        this.#became(child)
        this.#problem = { kind: 'ended', ...(await child.ended) }
        this.#became(undefined)
        if (this.#options.now() - startedAt >= HEALTHY_MS) failures = 0
      }
      if (this.#stopping.signal.aborted) return
      const retryInMs = Math.min(RETRY_MS * 2 ** failures, RETRY_MS_MAX)
      failures += 1
      this.#options.emit({ event: 'unbound-not-running', because: this.#problem, retryInMs })
      await sleep(retryInMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      child = await this.#startAgain()
    }
  }

  async #startAgain(): Promise<UnboundChild | undefined> {
    if (this.#stopping.signal.aborted) return undefined
    const started = await this.#start()
    if (!started.ok) {
      this.#problem = started.error
      return undefined
    }
    if (!this.#stopping.signal.aborted) return started.value
    await started.value.stop()
    return undefined
  }

  #became(child: UnboundChild | undefined): void {
    this.#child = child
    for (const listener of this.#listeners) listener()
  }

  async #start(): Promise<Result<UnboundChild, UnboundProblem>> {
    const { directory, anchors = ROOT_ANCHORS, folders, emit, forwarders, now, random } = this.#options
    const program = await findUnbound(folders)
    if (!program.ok) return program
    const prepared = await prepareDirectory(directory, anchors)
    if (!prepared.ok) return prepared
    if (prepared.value === 'damaged-anchors') {
      const path = join(directory, ANCHOR_FILE)
      emit({ event: 'unbound-anchors-renewed', because: { kind: 'anchors-damaged', path } })
    }
    const options = { program: program.value, directory, forwarders, now, random, signal: this.#stopping.signal }
    let child = await startPatiently(options)
    if (!child.ok && child.error.kind === 'ended' && prepared.value === 'kept-anchors') {
      child = await this.#startWithNewAnchors(options, child.error)
    }
    if (!child.ok) return child
    const { server, pid } = child.value
    emit({ event: 'unbound-started', version: program.value.version.text, pid, port: server.port })
    return child
  }

  /** Perhaps it was killed while it wrote them. */
  async #startWithNewAnchors(
    options: UnboundChildOptions,
    problem: UnboundProblem,
  ): Promise<Result<UnboundChild, UnboundProblem>> {
    const { directory, anchors = ROOT_ANCHORS, emit } = this.#options
    const renewed = await renewAnchors(directory, anchors)
    if (!renewed.ok) return renewed
    const child = await startPatiently(options)
    if (child.ok) emit({ event: 'unbound-anchors-renewed', because: problem })
    else await restoreAnchors(directory)
    return child
  }
}

async function startPatiently(options: UnboundChildOptions): Promise<Result<UnboundChild, UnboundProblem>> {
  for (let attempt = 1; ; attempt++) {
    const child = await startUnboundChild(options)
    if (child.ok || child.error.kind !== 'ended' || attempt === START_ATTEMPTS || options.signal.aborted) return child
  }
}
