/**
 * A changed configuration for a relay that runs: read and checked whole, prepared by every part of the relay, and taken
 * over by all of them in one step that cannot fail. Whatever is wrong before that step leaves everything as it was.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { ReloadAnswer } from '../admin/reload-order.ts'
import { configChanges } from '../config/changes.ts'
import { type ConfigProblem, formatProblem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import type { RelayEvent } from '../observability/relay-events.ts'

/** A part of the relay that can go on with another configuration. */
export interface Reloadable {
  /** Reads what it needs. The answer takes it over: at once, for all that begins from then on; it does not fail. */
  prepare(next: Config): Promise<Result<() => void, string>> | Result<() => void, string>
}

/** As at the start; absent where the configuration cannot change. */
export type LoadConfig = () => Result<Config, readonly ConfigProblem[]>

export interface ReloaderOptions {
  readonly load: LoadConfig | undefined
  readonly parts: readonly Reloadable[]
  readonly emit: (event: RelayEvent) => void
}

export interface Reloader {
  reload(by: 'order' | 'SIGHUP'): Promise<ReloadAnswer>
  /** Settings of the file that this process does not go by. */
  waiting(): readonly string[]
  /** Opened later; takes part from now on. */
  add(part: Reloadable): void
}

/** A log line holds the first of them; the command line shows all. */
const PROBLEMS_TOLD_MAX = 5

export function openReloader(config: Config, { load, parts: first, emit }: ReloaderOptions): Reloader {
  const parts = [...first]
  let running = config
  let waiting: readonly string[] = []
  let turn: Promise<unknown> = Promise.resolve()

  async function reload(by: 'order' | 'SIGHUP'): Promise<ReloadAnswer> {
    const prepared = await prepareAll(running, { load, parts })
    if (!prepared.ok) {
      const problems = prepared.error
      emit({ event: 'config-refused', by, problems: problems.slice(0, PROBLEMS_TOLD_MAX).join('; ') })
      return { kind: 'refused', problems }
    }
    const { changes, takeOver } = prepared.value
    for (const one of takeOver) one()
    running = changes.effective
    waiting = changes.restart
    emit({ event: 'config-reloaded', by, applied: changes.live.join(', '), waiting: waiting.join(', ') })
    return { kind: 'reloaded', applied: changes.live, waiting }
  }

  return {
    reload: (by) => {
      const next = turn.then(() => reload(by))
      turn = next.catch(() => undefined)
      return next
    },
    waiting: () => waiting,
    add: (part) => void parts.push(part),
  }
}

interface Prepared {
  readonly changes: ReturnType<typeof configChanges>
  readonly takeOver: readonly (() => void)[]
}

async function prepareAll(
  running: Config,
  { load, parts }: Pick<ReloaderOptions, 'load' | 'parts'>,
): Promise<Result<Prepared, readonly string[]>> {
  if (load === undefined) return err(['this relay has no configuration that could change'])
  const next = load()
  if (!next.ok) return err(next.error.map(formatProblem))
  const changes = configChanges(running, next.value)
  const prepared = await Promise.all(parts.map((part) => part.prepare(changes.effective)))
  const problems = prepared.flatMap((one) => (one.ok ? [] : [one.error]))
  if (problems.length > 0) return err(problems)
  return ok({ changes, takeOver: prepared.flatMap((one) => (one.ok ? [one.value] : [])) })
}
