import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { StoreUnavailable } from '../spool/spool.ts'
import { type Answers, type Call, HandedOver, Room, type Side, ThreadGone } from './room.ts'

interface Calls {
  readonly double: Call<number, number>
  readonly bytes: Call<number, Uint8Array>
  readonly fail: Call<'store' | 'other', never>
  readonly wait: Call<null, null>
  readonly odd: Call<null, unknown>
}
type Asking = Side<Calls, { readonly seen: unknown }>
type Answering = Side<Record<never, never>, Record<never, never>>

function pair() {
  const { port1, port2 } = new MessageChannel()
  const defects: string[] = []
  const seen: unknown[] = []
  const answers: Answers<Calls> = {
    double: async (number) => 2 * number,
    bytes: async (size) => {
      const bytes = new Uint8Array(size).fill(7)
      return new HandedOver(bytes, [bytes.buffer])
    },
    fail: async (how) => {
      throw how === 'store' ? new StoreUnavailable('the disk is gone') : new RangeError('a defect')
    },
    wait: () => new Promise(() => undefined),
    odd: async () => () => 'a function cannot travel',
  }
  const onDefect = (detail: string): void => void defects.push(detail)
  const asks = new Room<Asking, Answering>({ port: port1, answers: {}, hears: {}, onDefect })
  const hears = { seen: (note: unknown) => void seen.push(note) }
  const answering = new Room<Answering, Asking>({ port: port2, answers, hears, onDefect })
  const close = (): void => {
    asks.end('over')
    answering.end('over')
  }
  return { asks, answering, defects, seen, [Symbol.dispose]: close }
}

test('calls are answered each by its own answer, and notes are heard in order before them', async () => {
  using between = pair()
  const { asks, seen } = between
  asks.tell('seen', 1)
  asks.tell('seen', 2)
  assert.deepEqual(await Promise.all([asks.ask('double', 4), asks.ask('double', 5)]), [8, 10])
  assert.deepEqual(seen, [1, 2])
  assert.equal((await asks.ask('bytes', 3)).byteLength, 3)
})

test('what is refused keeps the class that means something', async () => {
  using between = pair()
  const { asks } = between
  await assert.rejects(asks.ask('fail', 'store'), (error) => {
    return error instanceof StoreUnavailable && error.message === 'the disk is gone'
  })
  await assert.rejects(asks.ask('fail', 'other'), /a defect/)
})

test('what cannot travel fails alone: what was said with it arrives', async () => {
  using between = pair()
  const { asks, seen, defects } = between
  asks.tell('seen', () => 'a function')
  const doubled = asks.ask('double', 1)
  await assert.rejects(asks.ask('odd', null), /could not be cloned/)
  assert.equal(await doubled, 2)
  assert.deepEqual(seen, [])
  assert.equal(defects.length, 2)
})

test('when the other side has ended, what waits fails as unknown, what it said before is heard, and nothing new is asked', async () => {
  using between = pair()
  const { asks, answering, seen } = between
  const waits = asks.ask('wait', null)
  asks.tell('seen', 'last words')
  asks.flush()
  answering.end('it died')
  asks.end('it died')
  await assert.rejects(waits, ThreadGone)
  await assert.rejects(asks.ask('double', 1), ThreadGone)
  assert.equal(asks.waiting, 0)
  assert.deepEqual(seen, ['last words'])
})
