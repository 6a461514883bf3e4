/**
 * Events as JSON lines through pino, the one file that knows it. What stands in a line is decided in
 * `log-line.ts`; here are only the level, the time and the writing.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import { LOG_EVENTS, type LogEvent, type LogLevel } from '../log-events.ts'
import { type LogOptions, logLine } from '../log-line.ts'
import { openLogOutput } from '../log-output.ts'

export interface RelayLog {
  emit(event: LogEvent): void
  /** Everything emitted so far is written when this returns; called before the process ends. */
  flush(): void
}

export interface RelayLogOptions extends LogOptions {
  readonly level: LogLevel
  /** Absent: standard output. */
  readonly stream?: DestinationStream
}

export function openPinoLog({ level, addresses, stream }: RelayLogOptions): RelayLog {
  // Not pino's own destination: it throws when a disk is full, and then never lets the process end.
  const output = stream === undefined ? openLogOutput(STANDARD_OUTPUT) : undefined
  const logger: Logger = pino(
    {
      level,
      base: null,
      timestamp: isoTimestamp(),
      formatters: { level: (label) => ({ level: label }) },
    },
    output ?? stream,
  )
  const write = (event: LogEvent): void => {
    const line = logLine(event, { addresses })
    logger[line.level](line.fields)
  }
  return {
    emit(event) {
      // Most events of a busy relay are debug lines that nobody asked for: not rendered at all.
      if (!logger.isLevelEnabled(LOG_EVENTS[event.event].level)) return
      const lost = output?.takeLost() ?? 0
      if (lost > 0) write({ event: 'log-lines-lost', count: lost })
      write(event)
    },
    flush() {
      output?.flush()
    },
  }
}

const STANDARD_OUTPUT = 1

/** Many lines share a millisecond, and formatting a date costs as much as the rest of a line. */
function isoTimestamp(): () => string {
  let at = Number.NaN
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) {
      at = now
      text = `,"time":"${new Date(now).toISOString()}"`
    }
    return text
  }
}
