import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { nullReversePath } from '../smtp/mail-address.ts'
import type { ContentSink } from '../spool/spool.ts'
import { type ContentProfile, ContentReceiver } from './content-receiver.ts'

const TRACE = 'Received: here\r\n'
const FROM = 'From: a@example.com\r\nDate: Sun, 22 Nov 2026 08:37:00 +0000\r\nMessage-ID: <1@example.com>\r\n'

interface Gathered {
  readonly sink: ContentSink
  readonly text: () => string
  readonly writes: () => number
  readonly discarded: () => boolean
}

function gather(): Gathered {
  const chunks: Uint8Array[] = []
  let discarded = false
  return {
    sink: {
      reserve: () => undefined,
      write: async (chunk) => void chunks.push(chunk),
      finish: async (top = new Uint8Array()) => ({ kind: 'memory', bytes: Buffer.concat([top, ...chunks]) }),
      discard: async () => {
        discarded = true
      },
    },
    text: () => Buffer.concat(chunks).toString('latin1'),
    writes: () => chunks.length,
    discarded: () => discarded,
  }
}

function profile(changes: Partial<ContentProfile> & { readonly role?: 'submission' | 'relay' } = {}): ContentProfile {
  const { role = 'submission', ...rest } = changes
  return {
    hygiene: {
      role,
      reversePath: nullReversePath,
      hostname: 'relay.example.com',
      id: 'id',
      receivedFieldsMax: 100,
      receivedAt: 0,
    },
    trace: TRACE,
    repairLineEnds: false,
    encodeEightBit: false,
    messageBytesMax: 1_000_000,
    headerBytesMax: 10_000,
    ...rest,
  }
}

async function receive(
  text: string,
  options: ContentProfile = profile(),
  sizes: readonly number[] = [],
): Promise<string> {
  const gathered = gather()
  const receiver = new ContentReceiver(options, gathered.sink)
  const octets = Buffer.from(text, 'latin1')
  let at = 0
  for (let index = 0; at < octets.length; index += 1) {
    const size = sizes[index % Math.max(1, sizes.length)] ?? octets.length
    await receiver.write(octets.subarray(at, at + size))
    at += size
  }
  const outcome = await receiver.finish()
  assert(outcome.kind !== 'not-signed')
  if (outcome.kind === 'refused') {
    assert(gathered.discarded())
    return outcome.problem
  }
  assert.equal(outcome.size, gathered.text().length)
  return gathered.text()
}

describe('content on its way into the spool', () => {
  test('the trace field stands on top and the rest is byte for byte what came', async () => {
    assert.equal(await receive(`${FROM}\r\nHello\r\n`), `${TRACE}${FROM}\r\nHello\r\n`)
  })

  test('a message without a body is all header', async () => {
    assert.equal(await receive(FROM), `${TRACE}${FROM}`)
  })

  test('a relay takes a message without a header', async () => {
    assert.equal(await receive('\r\nHello\r\n', profile({ role: 'relay' })), `${TRACE}\r\nHello\r\n`)
    assert.equal(await receive('', profile({ role: 'relay' })), TRACE)
  })

  for (const [rule, body, problem] of [
    ['a bare LF', 'a\nb\r\n', 'bare-line-feed'],
    ['a line of one LF', '\r\n\n\r\n', 'bare-line-feed'],
    ['a bare CR', 'a\rb\r\n', 'bare-carriage-return'],
    ['two CRs in front of LF', 'a\r\r\n', 'bare-carriage-return'],
    ['NUL', 'a\0b\r\n', 'nul-octet'],
    ['a line of 999 octets', `${'x'.repeat(999)}\r\n`, 'line-too-long'],
    ['8-bit content without MIME-Version', 'gr\xfc\xdfe\r\n', 'eight-bit-without-mime'],
  ] as const) {
    for (const role of ['submission', 'relay'] as const) {
      test(`${role} refuses ${rule}, however it is cut`, async () => {
        for (const sizes of [[], [1], [2], [3], [999]]) {
          assert.equal(await receive(`${FROM}\r\n${body}`, profile({ role }), sizes), problem)
        }
      })
    }
  }

  test('a line of 998 octets is whole', async () => {
    const body = `${'x'.repeat(998)}\r\n`
    for (const sizes of [[], [1], [997]])
      assert.equal(await receive(`${FROM}\r\n${body}`, profile(), sizes), `${TRACE}${FROM}\r\n${body}`)
  })

  test('a message over its size limit is refused, one at the limit is not', async () => {
    const text = `${FROM}\r\n${'x\r\n'.repeat(100)}`
    assert.equal(await receive(text, profile({ messageBytesMax: text.length })), TRACE + text)
    assert.equal(await receive(text, profile({ messageBytesMax: text.length - 1 }), [10]), 'too-large')
  })

  test('a header over its limit is refused before its end is seen', async () => {
    assert.equal(
      await receive(`${FROM}${'X-A: b\r\n'.repeat(2_000)}\r\nHello\r\n`, profile(), [1_000]),
      'header-too-large',
    )
  })

  test('the cuts of the network never change the outcome', async () => {
    const token = fc.constantFrom(
      '\r\n',
      '\r\n\r\n',
      'a',
      ' b',
      '.',
      'X: y\r\n',
      'Bcc: z@example.com\r\n',
      '\xfc',
      'MIME-Version: 1.0\r\n',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(token, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        async (tokens, sizes) => {
          const text = `${FROM}${tokens.join('')}\r\n`
          assert.equal(await receive(text, profile(), sizes), await receive(text))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a small message is one write, a large one is written in blocks while it comes', async () => {
    const small = gather()
    const one = new ContentReceiver(profile(), small.sink)
    for (let part = 0; part < 10; part += 1) await one.write(Buffer.from(part === 0 ? `${FROM}\r\n` : 'Hello\r\n'))
    await one.finish()
    assert.equal(small.writes(), 1)

    const large = gather()
    const many = new ContentReceiver(profile(), large.sink)
    await many.write(Buffer.from(`${FROM}\r\n`))
    for (let part = 0; part < 5; part += 1) await many.write(Buffer.from('x'.repeat(76).concat('\r\n').repeat(1_500)))
    assert(large.writes() >= 2)
    await many.finish()
  })

  test('line ends are repaired where that is switched on, and only bare LFs', async () => {
    const repairing = profile({ repairLineEnds: true })
    const unix = `${FROM}\r\na\nb\r\n\nc\r\n`
    for (const sizes of [[], [1], [2], [3]]) {
      assert.equal(await receive(unix, repairing, sizes), `${TRACE}${FROM}\r\na\r\nb\r\n\r\nc\r\n`)
      assert.equal(await receive(`${FROM}\r\na\rb\r\n`, repairing, sizes), 'bare-carriage-return')
    }
  })
})
