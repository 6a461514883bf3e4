/** What is written is read, in whatever pieces it comes; what is damaged is told with the place, and nothing of it acted on. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { NOON } from '../spool/spool.fixture.ts'
import { contents, wholeMessages } from '../spool/whole-message.fixture.ts'
import type { WholeMessage } from '../spool/whole-message.ts'
import { QueueFileDamaged, type QueueFileHeader } from './queue-file.ts'
import { QueueFileReader } from './queue-file-reader.ts'
import { QueueFileWriter } from './queue-file-writer.ts'

type Row = readonly [WholeMessage, Buffer]

const header: QueueFileHeader = { file: randomUUID(), kind: 'move', from: 'relay.example', at: NOON, version: '0.1.0' }

async function written(rows: readonly Row[]): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const writer = new QueueFileWriter(async (octets) => void parts.push(octets))
  await writer.header(header)
  for (const [message, bytes] of rows) await writer.message(message, { kind: 'memory', size: bytes.length, bytes })
  await writer.end()
  return Buffer.concat(parts)
}

async function* pieces(file: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < file.length; at += length) yield file.subarray(at, at + length)
}

interface Read {
  readonly rows: readonly Row[]
  readonly damage?: QueueFileDamaged
  readonly reader: QueueFileReader
}

async function read(file: Buffer, length = 65_536): Promise<Read> {
  const reader = new QueueFileReader(pieces(file, length))
  const rows: Row[] = []
  try {
    assert.deepEqual(await reader.header(), header)
    for await (const { message, content, contentOctets, number } of reader.messages()) {
      const parts: Uint8Array[] = []
      for await (const part of content()) parts.push(part)
      const bytes = Buffer.concat(parts)
      assert.equal(bytes.length, contentOctets)
      assert.equal(number, rows.length + 1)
      rows.push([message, bytes])
    }
    return { rows, reader }
  } catch (error) {
    if (!(error instanceof QueueFileDamaged)) throw error
    return { rows, damage: error, reader }
  }
}

const queues = fc.array(fc.tuple(wholeMessages, contents), { maxLength: 6 })

test('what was written is read, in whatever pieces it comes', async () => {
  await fc.assert(
    fc.asyncProperty(queues, fc.integer({ min: 1, max: 5000 }), async (rows, length) => {
      const file = await written(rows)
      const { rows: found, damage, reader } = await read(file, file.length > 100_000 ? 65_536 : length)
      assert.equal(damage, undefined)
      assert.deepEqual(found, rows)
      assert.equal(reader.intactUpTo, file.length)
    }),
    { numRuns: 60 },
  )
})

describe('damage', () => {
  const few = () => fc.sample(fc.tuple(wholeMessages, fc.constant(Buffer.from('Hello\r\n'))), 3)

  test('a file that ends anywhere before its end is truncated, and what is whole before that place is read', async () => {
    const rows = few()
    const file = await written(rows)
    for (let length = 0; length < file.length; length += 17) {
      const { rows: found, damage } = await read(file.subarray(0, length))
      const kind = damage?.damage.kind
      assert.ok(kind === 'truncated' || (length < 17 && kind === 'not-a-queue-file'), `${length}: ${kind}`)
      assert.ok(damage !== undefined && damage.at <= length)
      assert.deepEqual(found, rows.slice(0, found.length))
    }
  })

  test('whatever octet is changed is noticed before anybody acts on its block', async () => {
    const rows = few()
    const file = await written(rows)
    const places = Array.from({ length: Math.ceil(file.length / 13) }, (_, n) => n * 13)
    for (const at of [...places, file.length - 1]) {
      const damaged = Buffer.from(file)
      damaged.writeUInt8((damaged[at] ?? 0) ^ 0x01, at)
      const { rows: found, damage } = await read(damaged).catch(() => assert.fail(`octet ${at}`))
      assert.ok(damage !== undefined && damage.at <= at, `octet ${at}`)
      assert.deepEqual(found, rows.slice(0, found.length))
    }
  })

  test('the place is the end of the last whole block, where a writer may go on', async () => {
    const [first, second, third] = few()
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    const file = await written([first, second, third])
    const { damage, reader } = await read(file.subarray(0, file.length - 200))
    assert.equal(reader.intactUpTo, damage?.at)
    const parts: Uint8Array[] = [file.subarray(0, reader.intactUpTo)]
    const { rows: whole } = await read(file.subarray(0, reader.intactUpTo))
    const writer = new QueueFileWriter(async (octets) => void parts.push(octets), whole.length)
    for (const [message, bytes] of [first, second, third].slice(whole.length)) {
      await writer.message(message, { kind: 'memory', size: bytes.length, bytes })
    }
    await writer.end()
    assert.deepEqual(Buffer.concat(parts), file)
  })

  test('a block that is missing or repeated is noticed, though every checksum is right', async () => {
    const [first, second] = few()
    assert.ok(first !== undefined && second !== undefined)
    const [one, both] = [await written([first]), await written([first, second])]
    const end = (file: Buffer) => file.lastIndexOf('\nend ') + 1
    const onlySecond = Buffer.concat([both.subarray(0, one.indexOf('message 1')), both.subarray(end(one))])
    assert.ok((await read(onlySecond)).damage !== undefined)
    const twice = Buffer.concat([one.subarray(0, end(one)), one.subarray(one.indexOf('message 1'))])
    assert.ok((await read(twice)).damage !== undefined)
    const more = Buffer.concat([one, one])
    assert.deepEqual((await read(more)).damage?.damage, { kind: 'more-after-the-end' })
  })

  test('a file of another program, and one of a later version, are told as such', async () => {
    assert.deepEqual((await read(Buffer.from('SQLite format 3\0'))).damage?.damage, { kind: 'not-a-queue-file' })
    const later = Buffer.from((await written([])).toString().replace('hermetic-queue 1', 'hermetic-queue 2'))
    assert.deepEqual((await read(later)).damage?.damage, { kind: 'newer-version', found: 2, supported: 1 })
  })

  for (const [what, spoil] of [
    [
      'without a sender',
      (facts: Fields) => ({ ...facts, envelope: { ...(facts['envelope'] as object), reversePath: 7 } }),
    ],
    ['with an id that is none', (facts: Fields) => ({ ...facts, id: '../etc' })],
    ['without recipients', (facts: Fields) => ({ ...facts, deliveries: [] })],
    ['due at no time', (facts: Fields) => ({ ...facts, deliveries: [{ ...first(facts), dueAt: 1.5 }] })],
    ['in no lane', (facts: Fields) => ({ ...facts, deliveries: [{ ...first(facts), lane: 'a b' }] })],
    ['in an unknown state', (facts: Fields) => ({ ...facts, deliveries: [{ ...first(facts), state: 'lost' }] })],
  ] as const) {
    test(`a message ${what} is malformed, whatever its checksum says`, async () => {
      const [row] = few()
      assert.ok(row !== undefined)
      const spoiled = spoil(JSON.parse(JSON.stringify(row[0])) as Fields) as unknown as WholeMessage
      const { rows, damage } = await read(await written([[spoiled, row[1]]]))
      assert.deepEqual(rows, [])
      assert.equal(damage?.damage.kind, 'malformed')
    })
  }
})

type Fields = Readonly<Record<string, unknown>>

function first(facts: Fields): Fields {
  const [delivery] = facts['deliveries'] as readonly Fields[]
  assert.ok(delivery !== undefined)
  return delivery
}
