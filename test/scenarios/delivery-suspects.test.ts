/** Architecture §3: a crash is charged to a message only when a process that delivered it alone died of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultNoticeSettings } from '../../packages/mta/src/bounce/notice-plan.ts'
import { siteOf } from '../../packages/mta/src/delivery/site.ts'
import { retrySuspects, type SuspectTried } from '../../packages/mta/src/delivery/suspect-retry.ts'
import type { SiteId } from '../../packages/mta/src/limits/permits.ts'
import { type ClaimToken, StoreUnavailable } from '../../packages/mta/src/spool/spool.ts'
import { RelayWorld, type Submission } from '../lab/relay-world.ts'

const ONE = { hosts: { 'mx.example.test': {} }, mx: { 'example.test': [[10, 'mx.example.test']] } } as const
const DEADLY = 'Subject: deadly\r\n\r\n'.padEnd(4_240, 'x').concat('\r\n')
const crashingChild = new URL('../lab/crashing-child.ts', import.meta.url)

const deadly: Submission = { to: ['bob@example.test'], content: DEADLY }
const harmless: Submission = { to: ['bob@example.test'] }

async function retry(
  world: RelayWorld,
  signal = new AbortController().signal,
  leaseMs = 60_000,
): Promise<readonly SuspectTried[]> {
  const tried: SuspectTried[] = []
  const { spool } = world
  const delivery = { ...world.deliveryOptions, leaseMs }
  const onTried = (one: SuspectTried): void => void tried.push(one)
  const options = { suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal, onTried }
  await retrySuspects({ ...options, childFile: crashingChild })
  return tried
}

test('suspects that kill nobody are delivered, settled and cleared', async () => {
  await using world = await RelayWorld.start({ ...ONE, crashedWith: [harmless, harmless] })
  assert.equal(world.mx('mx.example.test').messages.length, 0)
  const tried = await retry(world)
  assert.deepEqual(
    tried.map(({ end }) => end.kind),
    ['ended', 'ended'],
  )
  assert.equal(world.mx('mx.example.test').messages.length, 2)
  assert.ok(world.mx('mx.example.test').messages.every(({ inTls }) => inTls))
  assert.deepEqual(world.spool.suspects.list(), [])
  assert.equal((await world.spool.admin.summary()).messages, 0)
})

test('the message whose process died is quarantined, the other one is delivered', async () => {
  await using world = await RelayWorld.start({ ...ONE, crashedWith: [harmless, deadly] })
  const tried = await retry(world)
  assert.deepEqual(new Set(tried.map(({ end }) => end.kind)), new Set(['ended', 'died']))
  assert.equal(world.mx('mx.example.test').messages.length, 1)
  const [, id] = world.suspects
  assert.ok(id !== undefined)
  assert.equal((await world.show(id)).deliveries[0]?.state, 'quarantined')
})

test('a child that we stop ourselves quarantines nothing: its message goes back', async () => {
  await using world = await RelayWorld.start({ ...ONE, crashedWith: [harmless] })
  const { script } = world.mx('mx.example.test')
  world.mx('mx.example.test').script = { ...script, DATA: { silent: true } }
  const stop = new AbortController()
  const ended = retry(world, stop.signal)
  await world.mx('mx.example.test').seen('DATA')
  stop.abort()
  await ended
  const [id] = world.suspects
  assert.ok(id !== undefined)
  const [delivery] = (await world.show(id)).deliveries
  assert.deepEqual([delivery?.state, delivery?.attempts], ['queued', 0])
})

test('the other deliveries of a suspect are still ours when its first one was slow, and are tried alone too', async () => {
  const script = { DATA: { reply: '354 go on', delayMs: 2_500 } } as const
  const slow = ['mx.example.test', 'mx.other.test'] as const
  await using world = await RelayWorld.start({
    hosts: Object.fromEntries(slow.map((name) => [name, { script }])),
    mx: { 'example.test': [[10, slow[0]]], 'other.test': [[10, slow[1]]] },
    crashedWith: [{ to: ['bob@example.test', 'bob@other.test'] }],
  })
  const tried = await retry(world, undefined, 2_000)
  assert.deepEqual(
    tried.map(({ end }) => end.kind),
    ['ended', 'ended'],
  )
  for (const name of slow) assert.equal(world.mx(name).messages.length, 1, name)
})

test('a suspect that the destination refuses is bounced like any other', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { RCPT: '550 5.1.1 no such user' } }, 'mx.sender.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']], 'sender.test': [[10, 'mx.sender.test']] },
    crashedWith: [harmless],
  })
  await retry(world)
  await world.mx('mx.sender.test').received(1)
  assert.match(world.mx('mx.sender.test').messages[0]?.content.toString() ?? '', /^Status: 5\.1\.1\r$/m)
})

test('a suspect has no place at its site beside those of the relay: it waits, and is not charged an attempt', async () => {
  await using world = await RelayWorld.start({ ...ONE, crashedWith: [harmless, harmless], permitsPerSite: 1 })
  const site = siteOf(['mx.example.test'], world.port)
  const taken = await world.deliveryOptions.permits.acquire(site)
  const stop = new AbortController()
  const ended = retry(world, stop.signal)
  await world.until(() => world.dns.queries.length > 0)
  const waited = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 500, 'waits'))])
  assert.equal(waited, 'waits')
  const [id] = world.suspects
  assert.ok(id !== undefined)
  assert.equal(world.mx('mx.example.test').connections.length, 0)
  assert.equal((await world.show(id)).deliveries[0]?.attempts, 0)
  taken?.release('good')
  assert.deepEqual(
    (await ended).map(({ end }) => end.kind),
    ['ended', 'ended'],
  )
  assert.equal(world.mx('mx.example.test').messages.length, 2)
  const again = await world.deliveryOptions.permits.acquire(site)
  assert.ok(again !== undefined, 'the permits of the children are back')
})

const OUT_OF_REACH = { kind: 'failure', reason: { kind: 'network', code: 'ECONNREFUSED' } } as const
const HOUR_MS = 3_600_000

for (const [what, submission, attempts, releases] of [
  ['wait untried', harmless, [0, 0], 2],
  ['wait and their senders hear of the delay', { ...harmless, receivedAt: Date.now() - 5 * HOUR_MS }, [0, 1], 1],
] as const) {
  test(`while DNS is out of reach suspects ${what}, and they stay suspects`, async () => {
    const resolver = { mx: async () => OUT_OF_REACH, address: async () => OUT_OF_REACH }
    await using world = await RelayWorld.start({
      ...ONE,
      crashedWith: [submission, submission],
      delivery: { resolver },
    })
    const { spool, deliveryOptions } = world
    let released = 0
    const counted = {
      renew: spool.renew.bind(spool),
      settle: spool.settle.bind(spool),
      open: spool.open.bind(spool),
      admin: spool.admin,
      release: async (tokens: readonly ClaimToken[]) => {
        await spool.release(tokens)
        released += tokens.length
      },
    }
    const tried: SuspectTried[] = []
    const stop = new AbortController()
    const ended = retrySuspects({
      ...{ suspects: spool.suspects, spool: counted, setAsideAfterDeaths: 1, signal: stop.signal },
      delivery: { ...deliveryOptions, notices: { ...defaultNoticeSettings, delayAfterMs: HOUR_MS } },
      onTried: (one) => void tried.push(one),
    })
    // The second goes back without a child: the lane of the first waits.
    await world.until(() => released === releases)
    stop.abort()
    await ended
    assert.deepEqual(tried, [])
    assert.deepEqual(new Set(spool.suspects.list().map(({ id }) => id)), new Set(world.suspects))
    const counts = await Promise.all(world.suspects.map(async (id) => (await world.show(id)).deliveries[0]?.attempts))
    assert.deepEqual(counts.toSorted(), attempts)
  })
}

test('the site of a suspect is the one that an operator made of its hosts', async () => {
  const asked: SiteId[] = []
  const made = 'limit:example' as SiteId
  await using world = await RelayWorld.start({
    ...ONE,
    crashedWith: [harmless],
    delivery: { siteFor: ({ hosts }) => (hosts.includes('mx.example.test') ? made : undefined) },
  })
  const { permits } = world.deliveryOptions
  const counted = {
    ...world.deliveryOptions,
    permits: { acquire: (...ask: Parameters<typeof permits.acquire>) => permits.acquire(...noted(asked, ask)) },
  }
  const { signal } = new AbortController()
  await retrySuspects({
    suspects: world.spool.suspects,
    spool: world.spool,
    delivery: counted,
    setAsideAfterDeaths: 1,
    signal,
  })
  assert.deepEqual(asked, [made])
})

test('what the relay itself cannot answer is charged to no message: suspects are tried again', async () => {
  let [sites, claims] = [0, 0]
  await using world = await RelayWorld.start({ ...ONE, crashedWith: [harmless] })
  const { suspects } = world.spool
  const tried: string[] = []
  const siteFor = async () => {
    sites += 1
    if (sites === 1) throw new StoreUnavailable('the answers of MX lookups are out of reach')
    return undefined
  }
  const claim: typeof suspects.claim = async (...ask) => {
    claims += 1
    if (claims === 1) throw new StoreUnavailable('the store is out of reach')
    return suspects.claim(...ask)
  }
  await retrySuspects({
    suspects: {
      list: () => suspects.list(),
      claim,
      clear: (id) => suspects.clear(id),
      quarantine: suspects.quarantine.bind(suspects),
    },
    spool: world.spool,
    delivery: { ...world.deliveryOptions, siteFor },
    setAsideAfterDeaths: 1,
    signal: AbortSignal.timeout(20_000),
    onTried: ({ end }) => void tried.push(end.kind),
    againMs: 1,
  })
  assert.deepEqual(tried, ['inconclusive', 'ended'])
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

function noted<A extends readonly [SiteId, ...unknown[]]>(asked: SiteId[], ask: A): A {
  asked.push(ask[0])
  return ask
}
