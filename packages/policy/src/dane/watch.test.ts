/** What the watch tells about hosts whose DNS changes: a real name server, a real `policy.db`. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { NameRecords } from '../../../../test/lab/dns-zone.ts'
import { openSqlitePolicyCache, type SqlitePolicyCache } from '../adapters/sqlite-policy-cache.ts'
import type { DaneEvent } from './events.ts'
import type { DaneFacts } from './facts.ts'
import { DIGEST, discoveryBed, EE, name, signed, tlsa } from './source.fixture.ts'
import type { DaneOptions } from './source.ts'
import { ALARM_AFTER_FAILURES, DaneWatch, SEEN_AGAIN_MS } from './watch.ts'

const START = Date.UTC(2026, 10, 22)
const A = { A: ['192.0.2.1'] }
const MX = { 'example.test': { MX: [[10, 'mx.test']] } } as const
const PROTECTED = { ...MX, 'mx.test': A, '_25._tcp.mx.test': tlsa(EE) } as const

const bed = discoveryBed()

class WatchBed {
  readonly events: DaneEvent[] = []
  now = START
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'dane-watch-'))
  #store: SqlitePolicyCache
  #watch: DaneWatch

  constructor(t: TestContext) {
    ;[this.#store, this.#watch] = this.#open()
    t.after(() => {
      this.#store.close()
      rmSync(this.#dataDir, { recursive: true, force: true })
    })
  }

  #open(): [SqlitePolicyCache, DaneWatch] {
    const opened = openSqlitePolicyCache({ dataDir: this.#dataDir, now: () => this.now })
    assert(opened.ok)
    const emit = (event: DaneEvent) => void this.events.push(event)
    return [opened.value, new DaneWatch({ memory: opened.value.daneMemory, emit, now: () => this.now })]
  }

  /** As if the relay were started again. */
  restart(): void {
    this.#store.close()
    ;[this.#store, this.#watch] = this.#open()
  }

  breakStore(): void {
    this.#store.close()
  }

  /** Asks DNS for the hosts of example.test, with nothing cached; tells the events but for `dane-looked-up`. */
  async look(records?: Readonly<Record<string, NameRecords>>, options: Partial<DaneOptions> = {}) {
    if (records !== undefined) bed.server.serve(signed(records))
    const before = this.events.length
    for (const { host, facts, origin } of await bed.fresh().discover('example.test', options)) {
      await this.#watch.observe({ host: name(host), port: 25, origin }, facts)
    }
    return this.events.slice(before).filter(({ event }) => event !== 'dane-looked-up')
  }

  /** As if DNS had said so of mx.test. */
  async observe(facts: DaneFacts): Promise<readonly DaneEvent[]> {
    const before = this.events.length
    await this.#watch.observe({ host: name('mx.test'), port: 25, origin: { kind: 'route' } }, facts)
    return this.events.slice(before).filter(({ event }) => event !== 'dane-looked-up')
  }

  get results(): readonly string[] {
    return this.events.flatMap((event) => (event.event === 'dane-looked-up' ? [event.result] : []))
  }
}

const HOST = { host: 'mx.test', port: 25 }

test('TLSA records that vanish are told of once, also after a restart', async (t) => {
  const watched = new WatchBed(t)
  assert.deepEqual(await watched.look(PROTECTED), [])
  watched.restart()
  const gone = { ...MX, 'mx.test': A }
  assert.deepEqual(await watched.look(gone), [{ event: 'dane-tlsa-vanished', ...HOST, lastSeenAt: START }])
  assert.deepEqual(await watched.look(gone), [])
  assert.deepEqual(watched.results, ['usable', 'no-tlsa', 'no-tlsa'])
})

test('and again when they came back in between', async (t) => {
  const watched = new WatchBed(t)
  const gone = { ...MX, 'mx.test': A }
  await watched.look(PROTECTED)
  assert.equal((await watched.look(gone)).length, 1)
  watched.now += 1_000
  await watched.look(PROTECTED)
  assert.deepEqual(await watched.look(gone), [{ event: 'dane-tlsa-vanished', ...HOST, lastSeenAt: START + 1_000 }])
})

test('a host that never had any is not told of', async (t) => {
  const watched = new WatchBed(t)
  assert.deepEqual(await watched.look({ ...MX, 'mx.test': A }), [])
  assert.deepEqual(await watched.look({ ...MX, 'mx.test': { ...A, secure: false } }), [])
  const insecureMx = { 'example.test': { ...MX['example.test'], secure: false }, 'mx.test': A }
  assert.deepEqual(await watched.look(insecureMx), [])
})

for (const [rule, records, event] of [
  [
    'records that are all unusable',
    { ...PROTECTED, '_25._tcp.mx.test': tlsa(`1 1 1 ${DIGEST}`, `3 1 1 ab`) },
    { event: 'dane-tlsa-unusable', ...HOST, records: 2, lastSeenAt: START },
  ],
  [
    'addresses that are no longer signed',
    { ...PROTECTED, 'mx.test': { ...A, secure: false } },
    { event: 'dane-zone-unsigned', ...HOST, because: 'insecure-address', lastSeenAt: START },
  ],
  [
    'TLSA records that are no longer signed',
    { ...PROTECTED, '_25._tcp.mx.test': { ...tlsa(EE), secure: false } },
    { event: 'dane-zone-unsigned', ...HOST, because: 'insecure-tlsa', lastSeenAt: START },
  ],
  [
    'an MX answer that is no longer signed',
    { ...PROTECTED, 'example.test': { ...MX['example.test'], secure: false } },
    { event: 'dane-mx-unsigned', nextHop: 'example.test', lastSeenAt: START },
  ],
] as const) {
  test(`told of once: ${rule}`, async (t) => {
    const watched = new WatchBed(t)
    await watched.look(PROTECTED)
    watched.now += 60_000
    assert.deepEqual(await watched.look(records), [event])
    assert.deepEqual(await watched.look(records), [])
  })
}

test('lookups that fail again and again where there were TLSA records are told of once, and when it is over', async (t) => {
  const watched = new WatchBed(t)
  await watched.look(PROTECTED)
  bed.server.fail('_25._tcp.mx.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  for (let failure = 1; failure < ALARM_AFTER_FAILURES; failure++) assert.deepEqual(await watched.look(), [])
  const lost = {
    ...{ event: 'dane-validation-lost', ...HOST, lookup: 'tlsa', name: '_25._tcp.mx.test' },
    ...{ reason: { kind: 'rcode', rcode: 'SERVFAIL' }, failures: ALARM_AFTER_FAILURES, lastSeenAt: START },
  }
  assert.deepEqual(await watched.look(), [lost])
  assert.deepEqual(await watched.look(), [])
  bed.server.heal('_25._tcp.mx.test')
  assert.deepEqual(await watched.look(), [{ event: 'dane-validation-restored', ...HOST, failures: 4 }])
  assert.deepEqual(await watched.look(), [])
})

test('bogus signatures are told of at once', async (t) => {
  const watched = new WatchBed(t)
  await watched.look(PROTECTED)
  const ede = { infoCode: 6, extraText: '' }
  bed.server.fail('_25._tcp.mx.test', { kind: 'rcode', rcode: 'SERVFAIL', ede })
  const [only] = await watched.look()
  assert(only?.event === 'dane-validation-lost')
  assert.equal(only.failures, 1)
  bed.server.heal('_25._tcp.mx.test')
})

test('a failure here and there, or of hosts without TLSA records, is nothing', async (t) => {
  const watched = new WatchBed(t)
  await watched.look(PROTECTED)
  for (let round = 0; round < ALARM_AFTER_FAILURES; round++) {
    bed.server.fail('_25._tcp.mx.test', { kind: 'rcode', rcode: 'SERVFAIL' })
    assert.deepEqual(await watched.look(), [])
    bed.server.heal('_25._tcp.mx.test')
    assert.deepEqual(await watched.look(), [])
  }
  const other = new WatchBed(t)
  bed.server.fail('_25._tcp.mx.test', { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 6 } })
  for (let round = 0; round <= ALARM_AFTER_FAILURES; round++) assert.deepEqual(await other.look(), [])
  bed.server.heal('_25._tcp.mx.test')
})

test('that nobody can be asked, or nobody validates, is not told for each host', async (t) => {
  const watched = new WatchBed(t)
  await watched.look(PROTECTED)
  for (const reason of [
    { kind: 'network', code: 'ECONNREFUSED' },
    { kind: 'unvalidated', detail: 'the validator is gone' },
  ] as const) {
    for (let failure = 0; failure <= ALARM_AFTER_FAILURES; failure++) {
      const facts = { kind: 'failure', lookup: 'tlsa', name: name('mx.test'), reason } as const
      assert.deepEqual(await watched.observe(facts), [])
    }
  }
  const timeout = { kind: 'failure', lookup: 'address', name: name('mx.test'), reason: { kind: 'timeout' } } as const
  const told = [await watched.observe(timeout), await watched.observe(timeout), await watched.observe(timeout)]
  assert.deepEqual(
    told.map((events) => events.length),
    [0, 0, 1],
  )
})

test('what DANE does not look at says nothing: an insecure MX that is ignored, a host without addresses', async (t) => {
  const watched = new WatchBed(t)
  await watched.look(PROTECTED)
  assert.deepEqual(await watched.look({ ...PROTECTED, 'mx.test': { TXT: ['none'] } }), [])
  const insecureMx = { ...PROTECTED, 'example.test': { ...MX['example.test'], secure: false } }
  const told = await watched.look(insecureMx, { insecureMx: 'ignore' })
  assert.deepEqual(
    told.map(({ event }) => event),
    ['dane-mx-unsigned'],
  )
  assert.deepEqual(watched.results, ['usable', 'no-address', 'insecure-mx'])
  assert.deepEqual(await watched.look({ ...MX, 'mx.test': A }), [
    { event: 'dane-tlsa-vanished', ...HOST, lastSeenAt: START },
  ])
})

test('what is seen all day is written down once a day', async (t) => {
  const watched = new WatchBed(t)
  await watched.look(PROTECTED)
  watched.now += SEEN_AGAIN_MS - 1
  await watched.look(PROTECTED)
  const [early] = await watched.look({ ...MX, 'mx.test': A })
  assert(early?.event === 'dane-tlsa-vanished')
  assert.equal(early.lastSeenAt, START)
  await watched.look(PROTECTED)
  watched.now += SEEN_AGAIN_MS
  await watched.look(PROTECTED)
  const [late] = await watched.look({ ...MX, 'mx.test': A })
  assert(late?.event === 'dane-tlsa-vanished')
  assert.equal(late.lastSeenAt, watched.now)
})

test('what was seen in the future, by a clock that was wrong, is seen now', async (t) => {
  const watched = new WatchBed(t)
  watched.now = START + SEEN_AGAIN_MS / 2
  await watched.look(PROTECTED)
  watched.now = START
  await watched.look(PROTECTED)
  const [gone] = await watched.look({ ...MX, 'mx.test': A })
  assert(gone?.event === 'dane-tlsa-vanished')
  assert.equal(gone.lastSeenAt, START)
})

test('a memory that does not work is told of, and holds up nothing', async (t) => {
  const watched = new WatchBed(t)
  watched.breakStore()
  const told = await watched.look(PROTECTED)
  assert.deepEqual(
    told.map(({ event }) => event),
    ['dane-memory-failed'],
  )
  watched.restart()
})
