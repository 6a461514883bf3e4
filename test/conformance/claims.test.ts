import assert from 'node:assert/strict'
import * as nodeTest from 'node:test'
import { describe, test } from 'node:test'
import { claimsOf, judgeClaims, judgeWaivers, parseWaivers } from './claims.ts'
import { type ConformanceItem, covers, readItems } from './covers.ts'
import { renderTable } from './table.ts'

const ITEMS: readonly ConformanceItem[] = [
  { id: 'SMTP-01', level: 'SHOULD', source: 'RFC 5321 §4.3.1', kind: 'smtp', issue: 2 },
  { id: 'SMTP-51', level: 'MUST', source: 'RFC 5321 §4.5.4.1', kind: 'store', issue: 2 },
  { id: 'STS-09', level: 'MUST', source: 'RFC 8461 §3.1', kind: 'pure', issue: 3 },
]

const SOURCE = `
describe('greeting', () => {
  test('SMTP-01: it waits', async () => {
    covers('SMTP-01', { observe: 'smtp' })
    for (const delay of delays) {
      await wait(delay)
    }
  })

  test(
    'SMTP-51 STS-09: two at once',
    async () => {
      covers(['SMTP-51', 'STS-09'], { observe: 'store' })
    },
  )
})
`

describe('what tests claim to cover', () => {
  test('claims are read with their titles, one or several ids at once', () => {
    const { claims, findings } = claimsOf('a.test.ts', SOURCE)
    assert.deepEqual(findings, [])
    assert.deepEqual(claims, [
      { id: 'SMTP-01', observe: 'smtp', file: 'a.test.ts', titles: ['greeting', 'SMTP-01: it waits'] },
      { id: 'SMTP-51', observe: 'store', file: 'a.test.ts', titles: ['greeting', 'SMTP-51 STS-09: two at once'] },
      { id: 'STS-09', observe: 'store', file: 'a.test.ts', titles: ['greeting', 'SMTP-51 STS-09: two at once'] },
    ])
    assert.deepEqual(judgeClaims(claims, ITEMS), [])
  })

  test('a claim that cannot be read is a finding', () => {
    const { findings } = claimsOf('a.test.ts', "test('x', () => {\n  covers(id, { observe: 'smtp' })\n})\n")
    assert.match(findings.join(), /a\.test\.ts:2: write the ids/)
  })

  for (const [rule, claim, finding] of [
    ['an unknown id', { id: 'SMTP-99', observe: 'smtp' }, /no such item/],
    ['a pure test of a wire fact', { id: 'SMTP-01', observe: 'pure' }, /fact on the wire/],
    ['a store test of a wire fact', { id: 'SMTP-01', observe: 'store' }, /fact on the wire/],
    ['a pure test of kept state', { id: 'SMTP-51', observe: 'pure' }, /kept or shown state/],
    ['an unknown observation', { id: 'SMTP-01', observe: 'eyes' }, /is not one of/],
    ['a title that does not name the id', { id: 'STS-09', observe: 'pure' }, /title does not name/],
  ] as const) {
    test(`${rule} is refused`, () => {
      const titles = rule.startsWith('a title') ? ['STS-0'] : [claim.id]
      assert.match(judgeClaims([{ ...claim, file: 'a.test.ts', titles }], ITEMS).join(), finding)
    })
  }

  test('a waiver needs a reason, a known id, and an item that nothing covers', () => {
    const reason = 'because nobody asks for it, at length'
    const waivers = parseWaivers(
      `# Waivers\n\n- **SMTP-01**: ${reason},\n  over two lines\n- **SMTP-51**: short\n- **X-1**: ${reason}\n`,
    )
    assert.equal(waivers[0]?.reason, `${reason}, over two lines`)
    const findings = judgeWaivers(waivers, claimsOf('a.test.ts', SOURCE).claims.slice(0, 1), ITEMS).join('\n')
    assert.match(findings, /SMTP-01 is covered/)
    assert.match(findings, /SMTP-51 needs a reason/)
    assert.match(findings, /X-1 is not an item/)
  })

  test('the table shows covered, waived and open items', () => {
    const { claims } = claimsOf('packages/mta/src/a.test.ts', SOURCE)
    const waivers = [{ id: 'SMTP-51', reason: 'given up | for now' }]
    const table = renderTable(ITEMS, claims.slice(0, 1), waivers)
    assert.match(
      table,
      /\| SMTP-01 \|.*\[mta\/a\.test\.ts\]\(\.\.\/\.\.\/packages\/mta\/src\/a\.test\.ts\) \(smtp\): it waits \|/,
    )
    assert.match(table, /\| SMTP-51 \|.*waived: given up \\\| for now \|/)
    assert.match(table, /\| STS-09 \|.*open, issue 3 \|/)
    assert.match(table, /\| \*\*all\*\* \| 3 \| 1 \| 1 \| 1 \| issue 3: 1 \|/)
  })
})

describe('covers()', () => {
  test('refuses what the running test cannot prove', () => {
    assert.throws(() => covers('SMTP-9999', { observe: 'smtp' }), /is not an item/)
    assert.throws(() => covers('SMTP-01', { observe: 'pure' }), /fact on the wire/)
  })

  test('STS-09: a title that names the id passes, and one that does not fails', () => {
    covers('STS-09', { observe: 'pure' })
    if ('getTestContext' in nodeTest) {
      assert.throws(() => covers('STS-10', { observe: 'pure' }), /does not name STS-10/)
    }
  })
})

describe('docs/conformance/items.json', () => {
  const items = readItems()

  test('holds the 554 items, each id once, in a known form', () => {
    assert.equal(items.length, 554)
    assert.equal(new Set(items.map(({ id }) => id)).size, 554)
    for (const item of items) {
      assert.match(item.id, /^(?:STS|DANE|RTLS|RPT|SMTP|TLS|SMUG|EXT|EAI|DSN|SUB|DKIM)-\d{2,3}$/)
      assert.match(item.level, /^(?:MUST(?: NOT)?|SHOULD(?: NOT)?|MAY|must|should|may|DEC|SEC)$/)
      assert.match(item.kind, /^(?:smtp|dns|https|store|pure)$/)
      assert.ok(item.source.length > 0 && Number.isInteger(item.issue), item.id)
    }
  })
})
