import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPinoLog } from './pino-log.ts'

function lines(
  level: 'debug' | 'info' | 'warn' | 'error',
  use: (log: ReturnType<typeof openPinoLog>) => void,
): string[] {
  const written: string[] = []
  const log = openPinoLog({ level, addresses: 'full', stream: { write: (line: string) => void written.push(line) } })
  use(log)
  log.flush()
  return written
}

test('a line is one JSON object with level, UTC time and event', () => {
  const [line = '', ...others] = lines('info', (log) => log.emit({ event: 'relay-stopped', durationMs: 5 }))
  assert.equal(others.length, 0)
  assert.match(
    line,
    /^\{"level":"info","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","event":"relay-stopped","duration_ms":5\}\n$/,
  )
})

test('a forged line stays inside its field', () => {
  const detail = 'x"}\n{"level":"info","event":"relay-ready"}\r\u001b[2J'
  const [line = '', ...others] = lines('info', (log) => log.emit({ event: 'spool-failing', detail }))
  assert.equal(others.length, 0)
  assert.equal(JSON.parse(line).event, 'spool-failing')
  assert.equal(line.indexOf('\n'), line.length - 1)
})

test('lines below the level are not written', () => {
  const opened = { event: 'session-opened', listener: 'l', address: '192.0.2.1' } as const
  assert.equal(lines('info', (log) => log.emit(opened)).length, 0)
  assert.equal(lines('debug', (log) => log.emit(opened)).length, 1)
})
