/**
 * The full meaning of the `Permits` promises: every adapter's test is one call to this.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Permit, Permits, SiteId, SiteLimits } from './permits.ts'

const SITE = 'mx.example.com:25' as SiteId
const OTHER = 'mx.example.org:25' as SiteId

export interface OpenPermits extends AsyncDisposable {
  readonly permits: Permits
}

/** A call comes at the latest after this time; what must not come is waited for a shorter one. */
const CALLED_MS_MAX = 2_000
const QUIET_MS = 60

/** Opens permits with the given limits for each site, nothing held. */
export function permitsContract(open: (limits: SiteLimits) => Promise<OpenPermits>): void {
  describe('permits: the limit', () => limitRules(open))
  describe('permits: those who wait', () => waitingRules(open))
  describe('permits: a limit that follows what the site bears', () => adaptiveRules(open))
  describe('permits: a rate', () => rateRules(open))
}

function limitRules(open: (limits: SiteLimits) => Promise<OpenPermits>): void {
  test('as many at once as the limit says, for each site', async () => {
    await using world = await open({ concurrency: 2 })
    await acquired(world.permits, SITE)
    await acquired(world.permits, SITE)
    assert.equal(await world.permits.acquire(SITE), undefined)
    await acquired(world.permits, OTHER)
  })

  test('a permit that returns can be had again', async () => {
    await using world = await open({ concurrency: 1 })
    const permit = await acquired(world.permits, SITE)
    permit.release('good')
    await acquired(world.permits, SITE)
  })

  test('releasing twice is releasing once', async () => {
    await using world = await open({ concurrency: 1 })
    const permit = await acquired(world.permits, SITE)
    permit.release('good')
    permit.release('good')
    await acquired(world.permits, SITE)
    assert.equal(await world.permits.acquire(SITE), undefined)
  })

  test('a permit is held until it is released', async () => {
    await using world = await open({ concurrency: 1 })
    const permit = await acquired(world.permits, SITE)
    assert.equal(permit.isHeld(), true)
    permit.release('good')
    assert.equal(permit.isHeld(), false)
  })

  test('many who ask at once get no more than the limit', async () => {
    await using world = await open({ concurrency: 7 })
    const answers = await Promise.all(Array.from({ length: 50 }, () => world.permits.acquire(SITE)))
    assert.equal(answers.filter((permit) => permit !== undefined).length, 7)
  })
}

function waitingRules(open: (limits: SiteLimits) => Promise<OpenPermits>): void {
  test('those who wait are called once each, in the order of asking', async () => {
    await using world = await open({ concurrency: 1 })
    const calls: string[] = []
    const permit = await acquired(world.permits, SITE)
    for (const name of ['first', 'second']) await world.permits.acquire(SITE, () => calls.push(name))
    assert.deepEqual(calls, [])
    permit.release('failed')
    await until(() => calls.length === 1)
    const next = await acquired(world.permits, SITE)
    assert.deepEqual(calls, ['first'])
    next.release('unused')
    await until(() => calls.length === 2)
    assert.deepEqual(calls, ['first', 'second'])
    const last = await acquired(world.permits, SITE)
    last.release('good')
    await pause(QUIET_MS)
    assert.deepEqual(calls, ['first', 'second'])
  })

  test('one permit that returns calls one of them', async () => {
    await using world = await open({ concurrency: 2 })
    const calls: string[] = []
    const permit = await acquired(world.permits, SITE)
    await acquired(world.permits, SITE)
    for (const name of ['first', 'second', 'third']) await world.permits.acquire(SITE, () => calls.push(name))
    permit.release('good')
    await until(() => calls.length > 0)
    await pause(QUIET_MS)
    assert.deepEqual(calls, ['first'])
  })

  test('who asks again while waiting is called once, and keeps its place', async () => {
    await using world = await open({ concurrency: 1 })
    const calls: string[] = []
    const permit = await acquired(world.permits, SITE)
    const impatient = (): void => void calls.push('impatient')
    await world.permits.acquire(SITE, impatient)
    await world.permits.acquire(SITE, () => calls.push('other'))
    await world.permits.acquire(SITE, impatient)
    permit.release('good')
    await until(() => calls.length === 1)
    const next = await acquired(world.permits, SITE)
    next.release('good')
    await until(() => calls.length === 2)
    assert.deepEqual(calls, ['impatient', 'other'])
  })

  test('a waiter may ask again inside the call', async () => {
    await using world = await open({ concurrency: 1 })
    const permit = await acquired(world.permits, SITE)
    let again: Promise<Permit | undefined> | undefined
    await world.permits.acquire(SITE, () => {
      again = world.permits.acquire(SITE)
    })
    permit.release('good')
    await until(() => again !== undefined)
    assert.ok((await again) !== undefined)
  })

  test('who got a permit after all stands in no line any more', async () => {
    await using world = await open({ concurrency: 1 })
    const calls: string[] = []
    const permit = await acquired(world.permits, SITE)
    const lucky = (): void => void calls.push('lucky')
    await world.permits.acquire(SITE, lucky)
    await world.permits.acquire(SITE, () => calls.push('other'))
    permit.release('good')
    await until(() => calls.length === 1)
    const second = await world.permits.acquire(SITE, lucky)
    assert.ok(second !== undefined)
    second.release('good')
    await until(() => calls.length === 2)
    assert.deepEqual(calls, ['lucky', 'other'])
  })
}

function adaptiveRules(open: (limits: SiteLimits) => Promise<OpenPermits>): void {
  test('it begins where it is told to, and grows by one for a full round of good transactions', async () => {
    await using world = await open({ concurrency: 10, initialConcurrency: 2 })
    assert.equal(await allowed(world.permits), 2)
    for (let n = 0; n < 3; n += 1) (await acquired(world.permits, SITE)).release('good')
    assert.equal(await allowed(world.permits), 3)
  })

  test('it never exceeds the limit', async () => {
    await using world = await open({ concurrency: 3, initialConcurrency: 3 })
    for (let n = 0; n < 20; n += 1) (await acquired(world.permits, SITE)).release('good')
    assert.equal(await allowed(world.permits), 3)
  })

  test('a failure halves it; failures of permits from before that do not halve it again', async () => {
    await using world = await open({ concurrency: 8, initialConcurrency: 8 })
    const permits = await Promise.all(Array.from({ length: 8 }, () => acquired(world.permits, SITE)))
    for (const permit of permits) permit.release('failed')
    assert.equal(await allowed(world.permits), 4)
    ;(await acquired(world.permits, SITE)).release('failed')
    assert.equal(await allowed(world.permits), 2)
  })

  test('it grows while a permit is kept whose site answers, and calls who waits', async () => {
    await using world = await open({ concurrency: 2, initialConcurrency: 2 })
    ;(await acquired(world.permits, SITE)).release('failed')
    const kept = await acquired(world.permits, SITE)
    let calls = 0
    await world.permits.acquire(SITE, () => {
      calls += 1
    })
    kept.answered()
    await until(() => calls === 1)
    kept.answered()
    await acquired(world.permits, SITE)
    assert.equal(await world.permits.acquire(SITE), undefined)
  })

  test('it never falls below one', async () => {
    await using world = await open({ concurrency: 8, initialConcurrency: 2 })
    for (let n = 0; n < 5; n += 1) (await acquired(world.permits, SITE)).release('failed')
    assert.equal(await allowed(world.permits), 1)
  })

  test('who waits is called when the limit has fallen and enough permits returned', async () => {
    await using world = await open({ concurrency: 4, initialConcurrency: 4 })
    const held = await Promise.all(Array.from({ length: 4 }, () => acquired(world.permits, SITE)))
    let calls = 0
    await world.permits.acquire(SITE, () => {
      calls += 1
    })
    held[0]?.release('failed')
    held[1]?.release('unused')
    await pause(QUIET_MS)
    assert.equal(calls, 0, 'two are held and two allowed')
    held[2]?.release('unused')
    await until(() => calls === 1)
  })
}

function rateRules(open: (limits: SiteLimits) => Promise<OpenPermits>): void {
  const rate = { transactions: 10, perMs: 1_000, burst: 2 }

  test('without one nobody waits', async () => {
    await using world = await open({ concurrency: 1 })
    const permit = await acquired(world.permits, SITE)
    assert.deepEqual(await permit.pace({ transactions: 100, patienceMs: 0 }), { kind: 'go', afterMs: 0 })
  })

  test('a burst goes at once, and then one transaction after the other, each in its own time', async () => {
    await using world = await open({ concurrency: 1, rate })
    const permit = await acquired(world.permits, SITE)
    const asks = [1, 1, 1, 1, 1].map((transactions) => permit.pace({ transactions, patienceMs: 10_000 }))
    const waits = (await Promise.all(asks)).map((answer) => (answer.kind === 'go' ? answer.afterMs : Number.NaN))
    for (const [at, least] of [0, 0, 100, 200, 300].entries()) {
      const wait = waits[at] ?? Number.NaN
      assert.ok(wait <= least && wait > least - 100, `the ask ${at} waits ${wait} ms`)
    }
  })

  test('the rate is the same for all permits of a site, and each site has its own', async () => {
    await using world = await open({ concurrency: 2, rate })
    const [one, two] = await Promise.all([acquired(world.permits, SITE), acquired(world.permits, SITE)])
    await one.pace({ transactions: 2, patienceMs: 10_000 })
    assert.ok(waitOf(await two.pace({ transactions: 1, patienceMs: 10_000 })) > 0)
    const other = await acquired(world.permits, OTHER)
    assert.equal(waitOf(await other.pace({ transactions: 1, patienceMs: 10_000 })), 0)
  })

  test('a wait longer than the patience reserves nothing', async () => {
    await using world = await open({ concurrency: 1, rate })
    const permit = await acquired(world.permits, SITE)
    await permit.pace({ transactions: 12, patienceMs: 10_000 })
    for (let n = 0; n < 3; n += 1) {
      const answer = await permit.pace({ transactions: 1, patienceMs: 50 })
      assert.ok(answer.kind === 'later' && answer.retryAfterMs > 0 && answer.retryAfterMs <= 1_050)
    }
    assert.ok(waitOf(await permit.pace({ transactions: 1, patienceMs: 10_000 })) <= 1_100)
  })
}

function waitOf(answer: Awaited<ReturnType<Permit['pace']>>): number {
  assert.equal(answer.kind, 'go')
  return answer.kind === 'go' ? answer.afterMs : Number.NaN
}

/** How many permits can be had at once now; gives them back without a verdict. */
async function allowed(permits: Permits): Promise<number> {
  const held: Permit[] = []
  for (;;) {
    const permit = await permits.acquire(SITE)
    if (permit === undefined) break
    held.push(permit)
  }
  for (const permit of held) permit.release('unused')
  return held.length
}

async function acquired(permits: Permits, site: SiteId): Promise<Permit> {
  const permit = await permits.acquire(site)
  assert.ok(permit !== undefined, 'no permit')
  return permit
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + CALLED_MS_MAX
  while (!condition()) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await pause(1)
  }
}
