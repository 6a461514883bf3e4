import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LocalNodes } from './adapters/local-nodes.ts'
import { SKEW_MS_MAX } from './clock-skew.ts'
import type { NodeEvent } from './events.ts'
import type { NodeId } from './node-record.ts'
import { type NodeRegistry, NodesUnavailable } from './node-registry.ts'
import { NodeService, type NodeServiceOptions } from './node-service.ts'
import { ROLES } from './role.ts'

const ID = 'abcdef012345' as NodeId
const OTHER = '0123456789ab' as NodeId
const BEAT_MS = 10

test('a node joins, beats with what it does, and is forgotten when it has stopped', async (t) => {
  const { registry, start, until } = world(t)
  const { service } = await start()
  assert.equal((await registry.list())[0]?.standing, 'starting')
  await service.ready(nothing)
  const [listed] = await registry.list()
  assert.deepEqual([listed?.standing, listed?.lanes, listed?.inFlight], ['running', 2, 3])
  await until(() => (service.reading().beatAgeMs ?? 99) < BEAT_MS)
  await service.stopping()
  assert.equal((await registry.list())[0]?.standing, 'stopping')
  await service.close()
  assert.deepEqual(await registry.list(), [])
})

test('an id whose holder beats is refused, and the holder goes on', async (t) => {
  const { start, create, registry } = world(t)
  await start({ pid: 11 })
  const second = create({ pid: 12 })
  const joined = await second.service.join()
  assert.equal(!joined.ok && joined.error.pid, 11)
  assert.equal((await registry.list())[0]?.pid, 11)
})

test('an id whose holder is dead in the same space of pids is taken at once, and elsewhere when it is silent', async (t) => {
  const { create, registry } = world(t)
  const dead = create({ pid: 11, pidSpace: 'here' })
  await registry.join({ ...recordOf(dead), pid: 11 })
  const neighbour = create({ pid: 12, pidSpace: 'here' }, { isAlive: (pid) => pid !== 11 })
  assert.ok((await neighbour.service.join()).ok)
  assert.ok(neighbour.events.some((event) => event.event === 'node-joined' && event.before === 11))
  await neighbour.service.close()

  await registry.join({ ...recordOf(dead), pid: 11 })
  const stranger = create({ pid: 13, pidSpace: 'elsewhere' })
  assert.ok((await stranger.service.join()).ok)
})

test('an order that another node took is carried out with the next beat, and so is its end', async (t) => {
  const { registry, start, until } = world(t)
  const { service, events } = await start()
  const told: string[] = []
  await service.ready({ begin: async () => void told.push('begin'), end: async () => void told.push('end') })
  assert.equal(await registry.order(ID, 'drain'), 'ordered')
  await until(() => service.state === 'draining')
  await until(() => events.some(({ event }) => event === 'node-drained'))
  await registry.order(ID, 'run')
  await until(() => service.state === 'running')
  assert.deepEqual(told, ['begin', 'end'])
  const names = events.map(({ event }) => event)
  assert.deepEqual(names, ['node-joined', 'node-draining', 'node-drained', 'node-resumed'])
})

test('an order to this very node needs no store', async (t) => {
  const { registry, start, outage, until } = world(t)
  const { service, events } = await start()
  await service.ready(nothing)
  outage(true)
  assert.equal(await service.order(ID, 'drain'), 'ordered')
  assert.equal(service.state, 'draining')
  await until(() => events.some(({ event }) => event === 'nodes-unavailable'))
  outage(false)
  await until(() => events.some(({ event }) => event === 'nodes-available'))
  assert.equal((await registry.list())[0]?.wish, 'drain')
  assert.equal(service.state, 'draining')
})

test('a drain that is taken back while it is under way does not end as drained', async (t) => {
  const { start } = world(t)
  const { service, events } = await start()
  let finish = (): void => {}
  const begun = new Promise<void>((resolve) => {
    finish = resolve
  })
  await service.ready({ begin: () => begun, end: async () => undefined })
  await service.order(ID, 'drain')
  await service.order(ID, 'run')
  finish()
  await begun
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(service.state, 'running')
  assert.ok(!events.some(({ event }) => event === 'node-drained'))
})

test('a node whose id another process has taken does no more, whatever its operator says', async (t) => {
  const { start, until, create } = world(t)
  const { service, events } = await start({ pid: 11, pidSpace: 'here' })
  await service.ready(nothing)
  const usurper = create({ pid: 99, pidSpace: 'here' }, { isAlive: () => false })
  await usurper.service.join()
  await until(() => service.replaced)
  assert.ok(events.some((event) => event.event === 'node-replaced' && event.pid === 99))
  await service.order(ID, 'run')
  assert.ok(service.replaced)
  await service.close()
  assert.equal((await usurper.service.report()).nodes.length, 1, 'the other one keeps the id')
})

test('other nodes that fall silent are told once, and when they beat again', async (t) => {
  const { registry, start, create, until } = world(t)
  const other = { ...recordOf(create({ pid: 5 })), id: OTHER }
  await registry.join(other)
  const { service, events } = await start()
  const silences = (): readonly string[] =>
    events
      .filter((event) => event.event.startsWith('node-') && 'nodeId' in event && event.nodeId === OTHER)
      .map(({ event }) => event)
  await until(() => silences().includes('node-silent'))
  const keep = setInterval(() => void registry.beat(other), BEAT_MS)
  t.after(() => clearInterval(keep))
  await until(() => silences().includes('node-heard-again'))
  assert.deepEqual(silences(), ['node-silent', 'node-heard-again'])
  assert.equal(service.reading().nodes?.length, 2)
})

test('a clock that leaves the step of the store is told, and when it is back', async (t) => {
  const { start, until, skew } = world(t)
  const { service, events } = await start()
  const told = (): readonly string[] => events.map(({ event }) => event).filter((event) => event.startsWith('clock-'))
  await until(() => service.reading().skewMs !== undefined)
  assert.deepEqual(told(), [])
  skew(SKEW_MS_MAX + 500)
  await until(() => told().length === 1)
  skew(0)
  await until(() => told().length === 2)
  assert.deepEqual(told(), ['clock-out-of-step', 'clock-in-step'])
})

test('an outage of the store is told once; until it is over nothing is said of other nodes', async (t) => {
  const { start, until, outage } = world(t)
  const { service, events } = await start()
  await until(() => service.reading().nodes !== undefined)
  outage(true)
  await until(() => service.reading().nodes === undefined)
  await new Promise((resolve) => setTimeout(resolve, 5 * BEAT_MS))
  outage(false)
  await until(() => service.reading().nodes !== undefined)
  const told = events.map(({ event }) => event).filter((event) => event.startsWith('nodes-'))
  assert.deepEqual(told, ['nodes-unavailable', 'nodes-available'])
})

test('a node that cannot ask at its start takes its id with a later beat', async (t) => {
  const { registry, create, until, outage } = world(t)
  outage(true)
  const { service } = create()
  assert.ok((await service.join()).ok)
  outage(false)
  await until(() => service.reading().beatAgeMs !== undefined)
  assert.equal((await registry.list()).length, 1)
})

const nothing = { begin: async () => undefined, end: async () => undefined }

interface Started {
  readonly service: NodeService
  readonly events: readonly NodeEvent[]
  readonly identity: NodeServiceOptions['identity']
}

function world(t: TestContext) {
  const inner = new LocalNodes({
    monotonic: () => performance.now(),
    times: { silentMs: 8 * BEAT_MS, listedMs: 60_000 },
  })
  let away = false
  let skewMs = 0
  const asked = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (away) throw new NodesUnavailable('away')
    return ask()
  }
  const registry: NodeRegistry = {
    join: (...args) => asked(() => inner.join(...args)),
    beat: (record) =>
      asked(async () => {
        const heard = await inner.beat(record)
        return heard.kind === 'heard' ? { ...heard, storeTime: Date.now() - skewMs } : heard
      }),
    list: () => asked(() => inner.list()),
    order: (...args) => asked(() => inner.order(...args)),
    leave: (node) => asked(() => inner.leave(node)),
    close: () => undefined,
  }
  let incarnations = 0
  const create = (
    who: Partial<NodeServiceOptions['identity']> = {},
    { isAlive = () => true }: Partial<Pick<NodeServiceOptions, 'isAlive'>> = {},
  ): Started => {
    incarnations += 1
    const events: NodeEvent[] = []
    const identity = {
      ...{ id: ID, incarnation: `${incarnations}`, hostname: 'a.example.test', pid: 1, pidSpace: '' },
      ...{ version: '1', startedAt: 1, roles: ROLES },
      ...who,
    }
    const service = new NodeService({
      ...{ registry, identity, isAlive, beatMs: BEAT_MS },
      work: () => ({
        listeners: [],
        lanes: 2,
        inFlight: 3,
        accepted: 0,
        delivered: 0,
        acceptedLately: 0,
        deliveredLately: 0,
      }),
      now: Date.now,
      monotonic: () => performance.now(),
      emit: (event) => events.push(event),
    })
    t.after(() => service.close())
    return { service, events, identity }
  }
  return {
    registry,
    create,
    start: async (who: Partial<NodeServiceOptions['identity']> = {}) => {
      const started = create(who)
      assert.ok((await started.service.join()).ok)
      return started
    },
    outage: (now: boolean) => {
      away = now
    },
    skew: (ms: number) => {
      skewMs = ms
    },
    until,
  }
}

function recordOf({ identity }: Started) {
  const counts = { lanes: 0, inFlight: 0, accepted: 0, delivered: 0, acceptedLately: 0, deliveredLately: 0 }
  return { ...identity, ...counts, state: 'running' as const, listeners: [] }
}

async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 5_000
  while (!condition()) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
