/** Table B row by row, time, and whether a changed cell would be noticed. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ALL, cached, decideBy, NOW, POLICIES, policy, TABLE_B } from './freshness.fixture.ts'
import { expiresAt, type FreshnessFacts, freshness, isLive, refreshDelayMs } from './freshness.ts'
import { MAX_AGE_SECONDS } from './policy-file.ts'

const DAY = 86_400_000
const course = decideBy(freshness)

describe('Table B', () => {
  for (const [rule, check] of Object.entries(TABLE_B)) test(rule, () => check(course))
})

describe('time', () => {
  test('a policy counts until max_age after its fetch, and not a millisecond longer', () => {
    const entry = cached('enforce', { maxAge: 60 })
    assert.equal(expiresAt(entry), entry.fetchedAt + 60_000)
    assert.equal(isLive(entry, entry.fetchedAt + 60_000), true)
    assert.equal(isLive(entry, entry.fetchedAt + 60_001), false)
    assert.equal(isLive(entry, entry.fetchedAt - DAY), true, 'a clock that was set back ends nothing')
  })

  test('refreshes are due within a day, spread, several times in the life of a policy', () => {
    const age = fc.integer({ min: 0, max: MAX_AGE_SECONDS })
    fc.assert(
      fc.property(age, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (seconds, chance) => {
        const delay = refreshDelayMs(policy('enforce', seconds), () => chance)
        assert.ok(delay >= 5 * 60_000 && delay < 0.95 * DAY + 1)
        if (seconds >= 3_600) assert.ok(delay * 4 < seconds * 1_000)
      }),
    )
    const week = policy('enforce')
    assert.ok(refreshDelayMs(week, () => 0.99) - refreshDelayMs(week, () => 0) > 5 * 3_600_000)
  })

  test('a failure to find out never weakens: no record and no failure ends what is cached', () => {
    const entry = fc.constantFrom(...POLICIES, cached('none'))
    const occasion = fc.constantFrom('delivery', 'refresh', 'refetch') as fc.Arbitrary<FreshnessFacts['occasion']>
    const backOff = fc.option(fc.record({ id: fc.constantFrom('old', 'new'), until: fc.nat().map((n) => NOW + n) }), {
      nil: undefined,
    })
    fc.assert(
      fc.property(entry, occasion, fc.constantFrom(...ALL), backOff, (held, when, record, waiting) => {
        const decided = course({ cached: held, occasion: when, record, backOff: waiting })
        const without =
          decided.kind === 'use' ? decided.what : decided.kind === 'fetch' ? decided.otherwise : decided.meanwhile
        assert.equal(without, 'cached')
      }),
    )
  })
})

const CELLS = ['NOTHING', 'CACHED', 'FETCH', 'FETCH_OR_CACHED', 'FETCH_QUIETLY'] as const
const SOURCE = readFileSync(new URL('freshness.ts', import.meta.url), 'utf8')

/** Every cell of every table, changed to every other content. */
function mutants(): readonly { readonly name: string; readonly source: string }[] {
  return [...SOURCE.matchAll(/(?<=(?:absent|unusable|failed|'same-id'|'other-id'): +)[A-Z_]+/g)].flatMap((cell) =>
    CELLS.filter((other) => other !== cell[0]).map((other) => ({
      name: `${cell[0]} at ${cell.index} changed to ${other}`,
      source: SOURCE.slice(0, cell.index) + other + SOURCE.slice(cell.index + cell[0].length),
    })),
  )
}

test('a change of any single cell of the tables is noticed by a row', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'freshness-'))
  t.after(() => rmSync(folder, { recursive: true }))
  // The decision imports types only, so a copy runs anywhere.
  const load = async (name: string, source: string): Promise<typeof freshness> => {
    const path = join(folder, `${name}.mts`)
    writeFileSync(path, source)
    return (await import(path)).freshness
  }
  assert.equal(noticed(await load('unchanged', SOURCE)), false)
  const all = mutants()
  assert.equal(all.length, 2 * 15 * (CELLS.length - 1))
  const survivors: string[] = []
  for (const [index, { name, source }] of all.entries()) {
    if (!noticed(await load(`mutant-${index}`, source))) survivors.push(name)
  }
  t.diagnostic(`${all.length} changed cells, ${all.length - survivors.length} noticed`)
  assert.deepEqual(survivors, [])
})

function noticed(mutant: typeof freshness): boolean {
  const decide = decideBy(mutant)
  return Object.values(TABLE_B).some((check) => {
    try {
      check(decide)
      return false
    } catch {
      return true
    }
  })
}
