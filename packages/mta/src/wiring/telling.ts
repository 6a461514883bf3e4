/**
 * Where events go: the log from the first moment, the metrics as soon as there is a queue to count, and whoever
 * started the relay.
 */
import type { Config } from '../config/schema.ts'
import { openPinoLog } from '../observability/adapters/pino-log.ts'
import { openPromMetrics, type RelayMetrics } from '../observability/adapters/prom-metrics.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { QueueSource } from '../observability/state-gauges.ts'
import type { RelayOptions } from './relay-options.ts'

export interface Telling {
  emit(event: LogEvent): void
  /** From now on events are counted as well, and so is what the start has told already. */
  count(queue: QueueSource): RelayMetrics
  /** From now on somebody else sees every event as well. */
  follow(follower: (event: LogEvent) => void): void
  flush(): void
}

/** What a start tells before there is a queue to count. */
const EARLY_MAX = 1_000

export function tell({ log: { level, addresses } }: Config, { logStream, onEvent }: RelayOptions): Telling {
  const log = openPinoLog({ level, addresses, ...(logStream === undefined ? {} : { stream: logStream }) })
  let metrics: RelayMetrics | undefined
  const early: LogEvent[] = []
  const followers: ((event: LogEvent) => void)[] = []
  return {
    emit: (event) => {
      log.emit(event)
      if (metrics !== undefined) metrics.emit(event)
      else if (early.length < EARLY_MAX) early.push(event)
      for (const follower of followers) follower(event)
      onEvent?.(event)
    },
    follow: (follower) => {
      followers.push(follower)
    },
    count: (queue) => {
      const opened = openPromMetrics(queue)
      metrics = opened
      for (const event of early.splice(0)) opened.emit(event)
      return opened
    },
    flush: () => log.flush(),
  }
}
