import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { terminalLine, terminalLog } from './terminal-log.ts'

describe('log lines on a terminal', () => {
  test('time, event, then facts; what needs quotes has them', () => {
    const line =
      '{"level":"info","time":"2026-11-22T08:30:01.123Z","event":"listening","port":25,"reply":"250 ok","at":{"a":1}}\n'
    assert.equal(terminalLine(line, false), '08:30:01 listening port=25 reply="250 ok" at={"a":1}')
  })

  test('a line that is not JSON is shown as it is', () => {
    assert.equal(terminalLine('hello\n', false), 'hello')
  })

  test('each line ends with one line end', () => {
    const out: string[] = []
    terminalLog({ out: (text) => out.push(text), colours: false }).write('x\n')
    assert.deepEqual(out, ['x\n'])
  })

  test('colours only where they are wanted', () => {
    const line = '{"level":"error","time":"2026-11-22T08:30:01.123Z","event":"relay-failed"}'
    assert.ok(terminalLine(line, true).includes('\u001b['))
    assert.ok(!terminalLine(line, false).includes('\u001b'))
  })
})
