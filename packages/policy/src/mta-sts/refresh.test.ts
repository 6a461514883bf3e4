/** The rounds of the background refresh, over real policies and hosts, with a clock that the test moves. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { domainName } from '../../../../test/lab/policy-host-world.ts'
import { PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import { createStsRefresher, type StsRefresherOptions } from './refresh.ts'
import { DAY, MINUTE, policyText, SourceBed, START } from './source.fixture.ts'

/** Rounds begin when the test says so. */
class Rounds {
  #run: (() => void) | undefined
  #began: (() => void) | undefined

  readonly after: NonNullable<StsRefresherOptions['after']> = (_ms, run) => {
    this.#run = run
    this.#began?.()
    return () => {
      this.#run = undefined
    }
  }

  get waiting(): boolean {
    return this.#run !== undefined
  }

  /** Resolves when the round has ended, which is when the next one is arranged. */
  async next(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#began = resolve
    })
    const run = this.#run
    this.#run = undefined
    run?.()
    await ended
  }
}

function refresher(t: TestContext, bed: SourceBed, options: Partial<StsRefresherOptions> = {}) {
  const rounds = new Rounds()
  const made = createStsRefresher({
    cache: bed.cache,
    refresh: (domain) => bed.source.refresh(domain),
    now: () => bed.now,
    emit: (event) => bed.events.push(event),
    after: rounds.after,
    ...options,
  })
  t.after(() => made.stop())
  return { rounds, refresher: made }
}

test('STS-70 STS-72: without any mail each policy is fetched about once a day, long before it expires', async (t) => {
  covers(['STS-70', 'STS-72'], { observe: 'https' })
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', { answer: { body: policyText('enforce') } })
  bed.record('a.test', '1')
  await bed.policyFor('a.test')
  const { rounds, refresher: running } = refresher(t, bed)
  running.start()
  for (let at = START; at <= START + 3 * DAY; at += 30 * MINUTE) {
    bed.now = at
    await rounds.next()
  }
  const fetches = host.requests.length - 1
  assert.ok(fetches >= 3 && fetches <= 5, `${fetches} fetches in three days`)
  assert.ok(bed.now - ((await bed.cache.get(domainName('a.test')))?.fetchedAt ?? 0) < DAY)
})

test('a failed refresh is tried again in the next cycle, and reports hear of it', async (t) => {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', { answer: { body: policyText('enforce', { maxAge: 86_400 }) } })
  bed.record('a.test', '1')
  await bed.policyFor('a.test')
  host.answer = { status: 500 }
  const heard: string[] = []
  const { rounds, refresher: running } = refresher(t, bed, {
    onRefreshed: (domain, refreshed) => heard.push(`${domain} ${refreshed.kind}`),
  })
  running.start()
  for (let at = START; at < START + DAY; at += 10 * MINUTE) {
    bed.now = at
    await rounds.next()
  }
  assert.deepEqual(heard, Array(4).fill('a.test failed'))
  assert.equal(host.requests.length, 5)
  assert.equal(bed.told('sts-refresh-alarm').length, 1)
  assert.equal(bed.told('sts-policy-expiring').length, 1)
})

test('few are refreshed at once, those without a lease not at all, and stopping waits for what runs', async (t) => {
  const bed = await SourceBed.start(t)
  const domains = Array.from({ length: 20 }, (_, n) => domainName(`d${n}.test`))
  const leased = domainName('d7.test')
  let atOnce = 0
  let most = 0
  const done: string[] = []
  const release: (() => void)[] = []
  const { rounds, refresher: running } = refresher(t, bed, {
    cache: { dueForRefresh: async () => domains, lease: async (domain) => domain !== leased },
    refresh: async (domain) => {
      atOnce += 1
      most = Math.max(most, atOnce)
      await new Promise<void>((resolve) => release.push(resolve))
      atOnce -= 1
      done.push(domain)
      if (domain === 'd3.test') throw new Error('a defect')
      return { kind: 'not-tried' }
    },
    atOnceMax: 3,
  })
  running.start()
  const round = rounds.next()
  while (done.length < 16) {
    release.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(most, 3)
  assert.equal(bed.told('sts-refresh-defect')[0]?.policyDomain, 'd3.test')
  let stopped = false
  const stopping = running.stop().then(() => {
    stopped = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(stopped, false)
  for (const one of release.splice(0)) one()
  await stopping
  assert.ok(done.length < 20 && !done.includes(leased))
  assert.equal(rounds.waiting, false, 'no further round')
  void round
})

test('a cache that cannot answer ends the round, not the rounds', async (t) => {
  const bed = await SourceBed.start(t)
  const unavailable = async () => {
    throw new PolicyCacheUnavailable('gone')
  }
  const { rounds, refresher: running } = refresher(t, bed, {
    cache: { dueForRefresh: unavailable, lease: unavailable },
  })
  running.start()
  await rounds.next()
  await rounds.next()
  assert.deepEqual(
    bed.told('sts-cache-failed').map(({ operation }) => operation),
    ['due', 'due'],
  )
  assert.ok(rounds.waiting)
})
