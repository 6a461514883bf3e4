/**
 * Log lines for eyes: the time, the event and its facts on one line. Only when the log goes to a terminal; what
 * machines read is the JSON of `observability/`.
 */
import { coloured, type Tone } from './colour.ts'
import type { Terminal } from './verb.ts'

const TONES: Readonly<Record<string, Tone>> = { debug: 'quiet', info: 'good', warn: 'warning', error: 'bad' }
/** `2026-11-22T08:30:00.123Z` → `08:30:00` */
const CLOCK = { from: 11, to: 19 }

export function terminalLog(terminal: Pick<Terminal, 'out' | 'colours'>): { write(line: string): void } {
  return { write: (line) => terminal.out(`${terminalLine(line, terminal.colours)}\n`) }
}

/** A line that is not JSON is shown as it is. */
export function terminalLine(line: string, colours: boolean): string {
  const text = line.trimEnd()
  const fields = parsed(text)
  if (fields === undefined) return text
  const { level, time, event, ...facts } = fields
  const tone = TONES[String(level)] ?? 'strong'
  const clock = coloured(String(time).slice(CLOCK.from, CLOCK.to), 'quiet', colours)
  const words = Object.entries(facts).map(([name, value]) => `${coloured(`${name}=`, 'quiet', colours)}${shown(value)}`)
  return [clock, coloured(String(event), tone, colours), ...words].join(' ')
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return JSON.stringify(value)
  const text = String(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
