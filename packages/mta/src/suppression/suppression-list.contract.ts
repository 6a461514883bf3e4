/** The full meaning of the `SuppressionList` promises: every adapter's test is one call to this. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Suppressed, SuppressionKey, SuppressionList, SuppressionTerms } from './suppression-list.ts'

export interface OpenSuppression extends AsyncDisposable {
  readonly list: SuppressionList
}

export interface SuppressionWorld {
  readonly terms: () => SuppressionTerms
  readonly now: () => number
}

const DAY = 86_400_000
const TERMS: SuppressionTerms = { strikes: 2, windowMs: 7 * DAY, expiryMs: 30 * DAY, entriesMax: 100 }
const START = Date.UTC(2026, 10, 22)

function key(text: string): SuppressionKey {
  return text as SuppressionKey
}

const A = key('a@example.com')

function refusal(address: SuppressionKey) {
  return { refused: [{ address, status: '5.1.1' as const }], delivered: [] }
}

class World implements SuppressionWorld {
  time = START
  limits = TERMS
  readonly now = (): number => this.time
  readonly terms = (): SuppressionTerms => this.limits
}

export function suppressionContract(open: (world: SuppressionWorld) => Promise<OpenSuppression>): void {
  describe('suppression: by refusals', () => refusalRules(open))
  describe('suppression: by operators', () => operatorRules(open))
}

function refusalRules(open: (world: SuppressionWorld) => Promise<OpenSuppression>): void {
  test('the last of so many refusals suppresses, and says so once', async () => {
    await using world = await open(new World())
    const { list } = world
    assert.deepEqual(await list.note(refusal(A)), [])
    assert.equal((await list.find([A])).size, 0)
    const entry: Suppressed = { address: A, since: START, until: START + 30 * DAY, by: 'bounces', status: '5.1.1' }
    assert.deepEqual(await list.note(refusal(A)), [entry])
    assert.deepEqual([...(await list.find([key('b@example.com'), A]))], [[A, entry]])
    assert.deepEqual(await list.note(refusal(A)), [])
    assert.equal(await list.count(), 1)
  })

  test('two refusals in one batch are two', async () => {
    await using world = await open(new World())
    const noted = { refused: [...refusal(A).refused, ...refusal(A).refused], delivered: [] }
    assert.equal((await world.list.note(noted)).length, 1)
  })

  test('a delivery in between begins the count anew', async () => {
    await using world = await open(new World())
    const { list } = world
    await list.note(refusal(A))
    await list.note({ refused: [], delivered: [A] })
    assert.deepEqual(await list.note(refusal(A)), [])
    assert.equal((await list.note(refusal(A))).length, 1)
  })

  test('refusals that lie too far apart do not add up', async () => {
    const clock = new World()
    await using world = await open(clock)
    await world.list.note(refusal(A))
    clock.time += 7 * DAY + 1
    assert.deepEqual(await world.list.note(refusal(A)), [])
    assert.equal((await world.list.note(refusal(A))).length, 1)
  })

  test('it ends by itself, and the count begins anew', async () => {
    const clock = new World()
    await using world = await open(clock)
    const { list } = world
    await list.note(refusal(A))
    await list.note(refusal(A))
    clock.time += 30 * DAY
    assert.equal((await list.find([A])).size, 0)
    assert.deepEqual(await list.list({ limit: 10 }), [])
    assert.equal(await list.count(), 0)
    assert.deepEqual(await list.note(refusal(A)), [])
  })

  test('the list is bounded: what ends first makes room', async () => {
    const clock = new World()
    clock.limits = { ...TERMS, strikes: 1, entriesMax: 3 }
    await using world = await open(clock)
    const { list } = world
    for (const name of ['a', 'b', 'c', 'd']) {
      await list.note(refusal(key(`${name}@example.com`)))
      clock.time += 1
    }
    const left = (await list.list({ limit: 10 })).map(({ address }) => address)
    assert.deepEqual(left, ['b@example.com', 'c@example.com', 'd@example.com'])
  })
}

function operatorRules(open: (world: SuppressionWorld) => Promise<OpenSuppression>): void {
  test('what an operator adds holds until it ends or is removed', async () => {
    const clock = new World()
    await using world = await open(clock)
    const { list } = world
    assert.equal(await list.add({ address: A, until: START + DAY, reason: 'asked to be "left" alone ü' }), 'added')
    const [found] = [...(await list.find([A])).values()]
    assert.deepEqual(found, {
      address: A,
      since: START,
      until: START + DAY,
      by: 'operator',
      reason: 'asked to be "left" alone ü',
    })
    assert.equal(await list.remove(A), true)
    assert.equal(await list.remove(A), false)
    assert.equal((await list.find([A])).size, 0)
  })

  test('removing an address forgets its refusals', async () => {
    await using world = await open(new World())
    const { list } = world
    await list.note(refusal(A))
    await list.remove(A)
    assert.deepEqual(await list.note(refusal(A)), [])
  })

  test('is never pushed out by refusals; when there is no room left, it says so', async () => {
    const clock = new World()
    clock.limits = { ...TERMS, strikes: 1, entriesMax: 2 }
    await using world = await open(clock)
    const { list } = world
    for (const name of ['a', 'b']) await list.add({ address: key(`${name}@example.com`), until: START + DAY })
    assert.deepEqual(await list.note(refusal(key('c@example.com'))), [])
    assert.equal(await list.add({ address: key('d@example.com'), until: START + DAY }), 'full')
    assert.equal(await list.add({ address: A, until: START + 2 * DAY }), 'added', 'in place of itself')
    assert.equal(await list.count(), 2)
  })

  test('pages follow each other by address', async () => {
    await using world = await open(new World())
    const { list } = world
    const names = ['b@example.com', 'a@example.net', 'a@example.com', 'ü@example.com', 'a@a.example'].map(key)
    for (const address of names) await list.add({ address, until: START + DAY })
    const seen: string[] = []
    let after: SuppressionKey | undefined
    for (;;) {
      const page = await list.list({ limit: 2, ...(after === undefined ? {} : { after }) })
      seen.push(...page.map(({ address }) => address))
      after = page.at(-1)?.address
      if (page.length < 2) break
    }
    assert.deepEqual(seen, ['a@a.example', 'a@example.com', 'a@example.net', 'b@example.com', 'ü@example.com'])
  })
}
