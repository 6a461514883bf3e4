/**
 * The full meaning of the `NodeRegistry` promises: every adapter's test is one call to this. Runs in real time, with
 * times of fractions of a second.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeId, NodeRecord } from './node-record.ts'
import type { NodeRegistry, RegistryTimes } from './node-registry.ts'

export interface RegistryOfTest extends AsyncDisposable {
  readonly registry: NodeRegistry
}

const SILENT_MS = 300

export function nodeRegistryContract(open: (times: RegistryTimes) => Promise<RegistryOfTest>): void {
  const times = { silentMs: SILENT_MS, listedMs: 60_000 }

  describe('node registry: who is there', () => {
    test('a node that joined and beats is listed as it says it is', async () => {
      await using world = await open(times)
      const { registry } = world
      assert.equal((await registry.join(node('a'))).kind, 'joined')
      await registry.beat(node('a', { state: 'draining', lanes: 3, inFlight: 7, skewMs: -4 }))
      const [listed, ...others] = await registry.list()
      assert.deepEqual(others, [])
      const { beatAgeMs = -1, standing, ...record } = listed ?? {}
      assert.equal(standing, 'draining')
      assert.ok(beatAgeMs >= 0 && beatAgeMs < SILENT_MS, `${beatAgeMs} ms`)
      assert.deepEqual(record, node('a', { state: 'draining', lanes: 3, inFlight: 7, skewMs: -4 }))
    })

    test('a node without beats is silent, with what it said last, and heard again when it beats', async () => {
      await using world = await open(times)
      const { registry } = world
      await registry.join(node('a', { lanes: 5 }))
      await pause(SILENT_MS + 50)
      const [silent] = await registry.list()
      assert.deepEqual([silent?.standing, silent?.lanes], ['silent', 5])
      assert.ok((silent?.beatAgeMs ?? 0) >= SILENT_MS)
      assert.equal((await registry.beat(node('a'))).kind, 'heard')
      assert.equal((await registry.list())[0]?.standing, 'running')
    })

    test('a node that leaves is forgotten at once, and those that are silent for too long in time', async () => {
      await using world = await open({ silentMs: 50, listedMs: 150 })
      const { registry } = world
      for (const name of ['a', 'b'] as const) await registry.join(node(name))
      await registry.leave(node('a'))
      assert.deepEqual(await idsIn(registry), [idOf('b')])
      await pause(200)
      await registry.join(node('c'))
      assert.deepEqual(await idsIn(registry), [idOf('c')])
    })
  })

  describe('node registry: one id, one process', () => {
    test('an id whose holder beats is taken', async () => {
      await using world = await open(times)
      const { registry } = world
      await registry.join(node('a', { pid: 11 }))
      const second = await registry.join(node('a', { pid: 12, incarnation: 'second' }))
      assert.equal(second.kind, 'taken')
      assert.equal(second.kind === 'taken' && second.by.pid, 11)
      assert.equal((await registry.list())[0]?.pid, 11)
    })

    test('an id whose holder is silent, or known to be dead, is free, and its holder hears that it lost it', async () => {
      await using world = await open(times)
      const { registry } = world
      await registry.join(node('a', { pid: 11 }))
      const wrong = await registry.join(node('a', { incarnation: 'second' }), { dead: 'somebody-else' })
      assert.equal(wrong.kind, 'taken')
      const second = await registry.join(node('a', { pid: 12, incarnation: 'second' }), { dead: 'first' })
      assert.equal(second.kind === 'joined' && second.before?.pid, 11)
      const late = await registry.beat(node('a', { pid: 11 }))
      assert.equal(late.kind === 'replaced' && late.by.pid, 12)
      await registry.leave(node('a'))
      assert.equal((await registry.list())[0]?.pid, 12, 'who lost the id does not take it along')

      await pause(SILENT_MS + 50)
      assert.equal((await registry.join(node('a', { incarnation: 'third' }))).kind, 'joined')
    })

    test('the same process may join again', async () => {
      await using world = await open(times)
      await world.registry.join(node('a'))
      assert.equal((await world.registry.join(node('a'))).kind, 'joined')
    })
  })

  describe('node registry: orders', () => {
    test('an order is heard by its node until it is taken back, and shown', async () => {
      await using world = await open(times)
      const { registry } = world
      for (const name of ['a', 'b'] as const) await registry.join(node(name))
      assert.equal(wishIn(await registry.beat(node('a'))), undefined)
      assert.equal(await registry.order(idOf('a'), 'drain'), 'ordered')
      assert.equal(wishIn(await registry.beat(node('a'))), 'drain')
      assert.equal(wishIn(await registry.beat(node('b'))), undefined)
      assert.equal((await registry.list()).find(({ id }) => id === idOf('a'))?.wish, 'drain')
      assert.equal(await registry.order(idOf('a'), 'run'), 'ordered')
      assert.equal(wishIn(await registry.beat(node('a'))), 'run')
    })

    test('an order is for one process: the next one with the same id knows nothing of it', async () => {
      await using world = await open(times)
      const { registry } = world
      await registry.join(node('a'))
      await registry.order(idOf('a'), 'drain')
      await registry.join(node('a', { incarnation: 'second' }), { dead: 'first' })
      assert.equal(wishIn(await registry.beat(node('a', { incarnation: 'second' }))), undefined)
    })

    test('nobody hears an order to a node that is silent or unknown', async () => {
      await using world = await open(times)
      const { registry } = world
      assert.equal(await registry.order(idOf('a'), 'drain'), 'unknown')
      await registry.join(node('a'))
      await pause(SILENT_MS + 50)
      assert.equal(await registry.order(idOf('a'), 'drain'), 'silent')
      assert.equal(wishIn(await registry.beat(node('a'))), undefined)
    })
  })
}

function idOf(name: string): NodeId {
  return name.repeat(12) as NodeId
}

function node(name: 'a' | 'b' | 'c', differing: Partial<NodeRecord> = {}): NodeRecord {
  return {
    id: idOf(name),
    incarnation: 'first',
    hostname: `${name}.example.test`,
    pid: 1,
    pidSpace: '',
    version: '1.2.3',
    startedAt: 1_700_000_000_000,
    state: 'running',
    roles: ['submission', 'delivery'],
    listeners: ['submission 192.0.2.1:587'],
    lanes: 0,
    inFlight: 0,
    accepted: 0,
    delivered: 0,
    acceptedLately: 0,
    deliveredLately: 0,
    ...differing,
  }
}

async function idsIn(registry: NodeRegistry): Promise<readonly NodeId[]> {
  return (await registry.list()).map(({ id }) => id)
}

function wishIn(heard: Awaited<ReturnType<NodeRegistry['beat']>>): string | undefined {
  return heard.kind === 'heard' ? heard.wish : heard.kind
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
