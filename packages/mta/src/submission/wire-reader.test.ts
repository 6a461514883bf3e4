import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type LineFault, type LineVerdict, WireReader, type WireTarget } from './wire-reader.ts'

/** Says `content` to DATA, and waits a turn of the event loop when told to. */
class Recorder implements WireTarget {
  readonly log: string[] = []
  readonly #slow: boolean
  #content = ''

  constructor(slow: boolean) {
    this.#slow = slow
  }

  commandLine(line: Buffer): LineVerdict | Promise<LineVerdict> {
    this.log.push(`line ${line.toString('latin1')}`)
    return this.#later(
      line.toString('latin1') === 'DATA' ? 'content' : line.toString('latin1') === 'STOP' ? 'stop' : 'continue',
    )
  }

  faultyLine(fault: LineFault): LineVerdict {
    this.log.push(fault)
    return fault === 'bare-line-feed' ? 'stop' : 'continue'
  }

  lineOctetsMax(): number {
    return 20
  }

  content(slice: Buffer): void | Promise<void> {
    this.#content += slice.toString('latin1')
    if (this.#slow) return new Promise((resolve) => setImmediate(resolve))
  }

  endOfContent(): LineVerdict | Promise<LineVerdict> {
    this.log.push(`content ${JSON.stringify(this.#content)}`)
    this.#content = ''
    return this.#later('continue')
  }

  #later(verdict: LineVerdict): LineVerdict | Promise<LineVerdict> {
    return this.#slow ? new Promise((resolve) => setImmediate(() => resolve(verdict))) : verdict
  }
}

async function read(octets: string, sizes: readonly number[] = [], slow = false): Promise<readonly string[]> {
  const recorder = new Recorder(slow)
  const reader = new WireReader(recorder)
  const buffer = Buffer.from(octets, 'latin1')
  let at = 0
  for (let index = 0; at < buffer.length; index += 1) {
    const size = sizes[index % Math.max(1, sizes.length)] ?? buffer.length
    await reader.feed(buffer.subarray(at, at + size), false)
    at += size
  }
  return recorder.log
}

describe('RFC 5321 §2.3.8, §4.1.1.4: lines and the end of content', () => {
  for (const [rule, octets, log] of [
    ['lines end with CRLF', 'NOOP\r\nRSET\r\n', ['line NOOP', 'line RSET']],
    ['an empty content', 'DATA\r\n.\r\n', ['line DATA', 'content ""']],
    [
      'the CRLF in front of the final dot is content',
      'DATA\r\na\r\n.\r\nNOOP\r\n',
      ['line DATA', 'content "a\\r\\n"', 'line NOOP'],
    ],
    [
      'the first of two dots goes away',
      'DATA\r\n..\r\n..a\r\n.b\r\n.\r\n',
      ['line DATA', 'content ".\\r\\n.a\\r\\nb\\r\\n"'],
    ],
    ['a dot inside a line stays', 'DATA\r\na.\r\n.\r\n', ['line DATA', 'content "a.\\r\\n"']],
    ['a dot behind a bare LF stays', 'DATA\r\na\n..b\r\n.\r\n', ['line DATA', 'content "a\\n..b\\r\\n"']],
    ['dot CR without LF is not the end', 'DATA\r\n.\rX\r\n.\r\n', ['line DATA', 'content "\\rX\\r\\n"']],
    ['a faulty line stops at a bare LF', 'NOOP\nRSET\r\n', ['bare-line-feed']],
    ['a bare CR in a line is a fault of that line', 'NO\rOP\r\nRSET\r\n', ['control-character', 'line RSET']],
    ['NUL in a line is a fault of that line', 'NO\0OP\r\nRSET\r\n', ['control-character', 'line RSET']],
    [
      'a line that is too long is a fault of that line',
      `${'x'.repeat(21)}\r\nRSET\r\n`,
      ['line-too-long', 'line RSET'],
    ],
    ['a line of the greatest length', `${'x'.repeat(20)}\r\n`, [`line ${'x'.repeat(20)}`]],
    ['nothing is read after a stop', 'STOP\r\nRSET\r\n', ['line STOP']],
  ] as const) {
    test(rule, async () => {
      for (const sizes of [[], [1], [2], [3], [5]])
        assert.deepEqual(await read(octets, sizes), log, `pieces of ${sizes}`)
    })
  }

  test('the pieces in which octets arrive never change what is read', async () => {
    const token = fc.constantFrom(
      '\r',
      '\n',
      '.',
      '\r\n',
      '\r\n.',
      '\r\n.\r\n',
      '.\r\n',
      'a',
      '\0',
      'NOOP\r\n',
      'DATA\r\n',
      'MAIL\r\n',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(token, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (tokens, sizes, slow) => {
          const octets = `DATA\r\n${tokens.join('')}`
          assert.deepEqual(await read(octets, sizes, slow), await read(octets))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('ten thousand pipelined lines in one piece are read in turns of the event loop', async () => {
    const recorder = new Recorder(false)
    const reading = new WireReader(recorder).feed(Buffer.from('NOOP\r\n'.repeat(10_000)), false)
    assert(reading instanceof Promise)
    assert(recorder.log.length <= 100)
    await reading
    assert.equal(recorder.log.length, 10_000)
  })
})
