/** The contract of contents: whole or unreadable, one owner each, and nothing left behind. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newQueueId, parseQueueId } from './queue-id.ts'
import {
  claimOne,
  delivered,
  envelope,
  eventually,
  failed,
  message,
  NOON,
  type OpenSpool,
  type SpoolPlace,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import { type Content, ContentUnreadable, type NewMessage, type Spool } from './spool.ts'

const LARGE = 300 * 1024
const DAY_MS = 86_400_000
/** So that a slow run does not make it old. */
const AGE_SLACK_MS = 60_000

export interface ContentTraits {
  /** Larger contents are files. */
  readonly inlineBytesMax: number
  /** Where they rest; absent: in a directory of the engine. */
  readonly rest?: ContentRest
}

/** How a test reaches around the engine to contents that rest. */
export interface ContentRest {
  /** Names of contents that rest or arrive. */
  names(place: SpoolPlace): readonly string[]
  /** Writes beside the content of this id, or over its own. */
  write(place: SpoolPlace, at: { readonly beside: string; readonly name: string; readonly bytes: Uint8Array }): void
  /** As if everything had been written so long ago, or one alone. */
  age(place: SpoolPlace, by: { readonly ms: number; readonly name?: string }): void
}

export function contentContract(open: OpenSpool, { inlineBytesMax, rest = directoryRest }: ContentTraits): void {
  const files = rest.names
  for (const [kind, size] of [
    ['small', 5000],
    ['empty', 0],
    ['just inline', inlineBytesMax],
    ['just a file', inlineBytesMax + 1],
    ['large', LARGE],
    ['very large', 3 * 1024 * 1024 + 7],
  ] as const) {
    test(`${kind} content comes back byte for byte: at once and after a restart`, async (t) => {
      const world = new SpoolWorld(t, open)
      const spool = await world.open()
      const bytes = randomBytes(size)
      const sent = await staged(spool, bytes)
      assert.deepEqual(await spool.accept(sent), { kind: 'accepted' })
      const comesBack = async (current: Spool): Promise<void> => {
        const content = await current.open(sent.id)
        assert.equal(content.size, size)
        assert.ok((await read(content)).equals(bytes))
      }
      await comesBack(spool)
      await comesBack(await world.open())
      assert.equal(files(world.place).length, size > inlineBytesMax ? 1 : 0)
    })
  }

  for (const size of [0, 5000, inlineBytesMax - 100, inlineBytesMax, LARGE]) {
    test(`what goes on top at the end of ${size} octets comes back with them, hashed as one`, async (t) => {
      const world = new SpoolWorld(t, open)
      const spool = await world.open()
      const [top, rest] = [randomBytes(700), randomBytes(size)]
      const sent = message([1])
      const sink = spool.stage(sent.id)
      sink.reserve(top.length)
      for (let at = 0; at < size; at += 60_000) await sink.write(rest.subarray(at, at + 60_000))
      const content = await sink.finish(top)
      assert.deepEqual(await spool.accept({ ...sent, content }), { kind: 'accepted' })
      const again = await world.open()
      assert.ok((await read(await again.open(sent.id))).equals(Buffer.concat([top, rest])))
    })
  }

  test('large content given in memory is kept like staged content', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const bytes = randomBytes(LARGE)
    const sent = message([1], { content: { kind: 'memory', bytes } })
    await spool.accept(sent)
    assert.ok((await read(await spool.open(sent.id))).equals(bytes))
  })

  test('a content file has one owner: two messages with the same content do not share it', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const bytes = randomBytes(LARGE)
    const [first, second] = [await staged(spool, bytes), await staged(spool, bytes)]
    await spool.accept(first)
    await spool.accept(second)
    const claims = await spool.claim(first.deliveries[0]?.lane ?? ('' as never), { limit: 1, leaseMs: 1000 })
    const [claim] = claims
    assert.ok(claim !== undefined)
    await spool.settle(claim.token, settlement('a', [delivered()]))
    await eventually('the file of the settled message is gone', () => files(world.place).length === 1)
    const left = claim.id === first.id ? second : first
    assert.deepEqual(files(world.place), [left.id])
    assert.ok((await read(await spool.open(left.id))).equals(bytes))
  })

  test('files are for their owner only and named by a queue id', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = await staged(spool, randomBytes(LARGE))
    await spool.accept(sent)
    for (const path of paths(world.place)) {
      const { mode } = statSync(path)
      assert.equal(mode & 0o077, 0, path)
    }
    assert.deepEqual(files(world.place).map(parseQueueId), [sent.id])
  })

  test('an accept of large content that is repeated finds its file in place', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = await staged(spool, randomBytes(LARGE))
    await spool.accept(sent)
    assert.deepEqual(await spool.accept(sent), { kind: 'already-done' })
    assert.deepEqual(files(world.place), [sent.id])
  })

  test('what is discarded leaves no file', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    for (const finished of [false, true]) {
      const sink = spool.stage(newQueueId())
      await sink.write(randomBytes(LARGE))
      if (finished) await sink.finish()
      assert.equal(files(world.place).length, 1)
      await sink.discard()
      assert.equal(files(world.place).length, 0)
    }
  })

  test('damaged or missing content is unreadable, for that message alone', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = await Promise.all([1, 2, 3].map(() => staged(spool, randomBytes(LARGE))))
    for (const one of sent) await spool.accept(one)
    const [flipped, shortened, whole] = sent
    assert.ok(flipped && shortened && whole)
    rest.write(world.place, { beside: flipped.id, name: flipped.id, bytes: randomBytes(LARGE) })
    rest.write(world.place, { beside: shortened.id, name: shortened.id, bytes: randomBytes(LARGE - 1) })
    await assert.rejects(spool.open(flipped.id), ContentUnreadable)
    await assert.rejects(spool.open(shortened.id), ContentUnreadable)
    await assert.rejects(spool.open(newQueueId()), ContentUnreadable)
    assert.equal((await spool.open(whole.id)).size, LARGE)
    assert.equal(spool.health().claims, 'open')
  })

  test('files without an envelope are swept after a day by the clock of the store, others stay', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = await staged(spool, randomBytes(LARGE))
    await spool.accept(sent)
    const [orphan, fresh, abandoned] = [newQueueId(), newQueueId(), newQueueId()]
    const sink = spool.stage(abandoned)
    await sink.write(randomBytes(LARGE))
    await sink.finish()
    for (const name of [orphan, fresh, 'README']) {
      rest.write(world.place, { beside: sent.id, name, bytes: Buffer.from('x') })
    }
    rest.age(world.place, { ms: DAY_MS + 1000 })
    rest.age(world.place, { ms: DAY_MS - AGE_SLACK_MS, name: fresh })
    const again = await world.open()
    await eventually('old orphans are gone', () => files(world.place).length === 3)
    assert.deepEqual(new Set(files(world.place)), new Set([sent.id, fresh, 'README']))
    assert.equal((await again.open(sent.id)).size, LARGE)
  })

  test('a file that an attempt left half-written under an id does not stop the next attempt', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const bytes = randomBytes(LARGE)
    const sent = message([1], { content: { kind: 'memory', bytes } })
    const abandoned = spool.stage(sent.id)
    await abandoned.write(randomBytes(LARGE + 5))
    assert.deepEqual(await spool.accept(sent), { kind: 'accepted' })
    assert.ok((await read(await spool.open(sent.id))).equals(bytes))
    await abandoned.discard()
  })

  test('a notice in a settle is kept whatever its size', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const bytes = randomBytes(LARGE)
    const own = envelope({ reversePath: 'nullReversePath' })
    const bounce = message([9], { envelope: own, content: { kind: 'memory', bytes } })
    await spool.settle((await claimOne(spool)).token, settlement('a', [failed()], { enqueue: [bounce] }))
    assert.ok((await read(await (await world.open()).open(bounce.id))).equals(bytes))
  })
}

async function staged(spool: Spool, bytes: Buffer): Promise<NewMessage> {
  const id = newQueueId()
  const sink = spool.stage(id)
  for (let at = 0; at < bytes.length; at += 100_000) await sink.write(bytes.subarray(at, at + 100_000))
  return message([1], { id, content: await sink.finish() })
}

async function read(content: Content): Promise<Buffer> {
  return content.kind === 'memory' ? Buffer.from(content.bytes) : Buffer.concat(await content.open().toArray())
}

function paths({ dataDir }: SpoolPlace): readonly string[] {
  return readdirSync(join(dataDir, 'content'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

const directoryRest: ContentRest = {
  names: (place) => paths(place).map((path) => path.slice(path.lastIndexOf('/') + 1)),
  write: (place, { beside, name, bytes }) => writeFileSync(join(pathOf(place, beside), '..', name), bytes),
  age: (place, { ms, name = '' }) => {
    const at = (NOON - ms) / 1000
    for (const path of paths(place)) if (path.endsWith(name)) utimesSync(path, at, at)
  },
}

function pathOf(place: SpoolPlace, id: string): string {
  const path = paths(place).find((one) => one.endsWith(id))
  assert.ok(path !== undefined, `${id} has a content file`)
  return path
}
