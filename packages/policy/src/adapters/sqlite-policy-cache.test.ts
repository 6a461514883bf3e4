/** The policy cache on a real file: the contract, and what only this adapter promises. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { parsePolicyFile, type StsMode } from '../mta-sts/policy-file.ts'
import { type PolicyCacheBed, policyCacheContract } from '../ports/policy-cache.contract.ts'
import { type CachedPolicy, PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import { type EvictableBounds, openSqlitePolicyCache, type SqlitePolicyCache } from './sqlite-policy-cache.ts'

const START = Date.UTC(2026, 10, 1)
const PAGE_BYTES = 4096

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'policy-cache-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Bed extends PolicyCacheBed {
  readonly dataDir: string
  readonly reopen: () => Promise<SqlitePolicyCache>
}

function bedFor(t: TestContext, bounds: Partial<EvictableBounds> = {}): Bed {
  let open: SqlitePolicyCache | undefined
  const bed: Bed = {
    dataDir: folder(t),
    now: START,
    reopen: async () => {
      open?.close()
      const opened = openSqlitePolicyCache({ dataDir: bed.dataDir, now: () => bed.now, bounds })
      assert.ok(opened.ok, JSON.stringify(opened))
      open = opened.value
      return open
    },
  }
  t.after(() => open?.close())
  return bed
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok)
  return name.value
}

function cached(mode: StsMode, fetchedAt: number, maxAge = 86_400): CachedPolicy {
  const text = `version: STSv1\nmode: ${mode}\nmx: mx.example.test\nmax_age: ${maxAge}\n`
  const policy = parsePolicyFile(Buffer.from(text))
  assert.ok(policy.ok)
  return { policy: policy.value, id: '1', fetchedAt, refreshAt: fetchedAt + 1 }
}

describe('the contract', () => policyCacheContract(bedFor))

test('STS-76: no flood of domains evicts an unexpired policy that demands something; the others are bounded', async (t) => {
  covers('STS-76', { observe: 'store' })
  const bed = bedFor(t, { expired: 100, none: 50 })
  const cache = await bed.reopen()
  await cache.put(domain('victim.test'), cached('enforce', START))
  await cache.put(domain('victim2.test'), cached('testing', START))
  for (let n = 0; n < 1_500; n += 1) {
    await cache.put(domain(`none${n}.test`), cached('none', START + n))
    await cache.put(domain(`expired${n}.test`), cached('enforce', START - 90_000_000 + n))
    await cache.put(domain(`kept${n}.test`), cached('enforce', START + n))
  }
  const entries = await cache.list({ limit: 10_000 })
  const count = (prefix: string) => entries.filter(({ policyDomain }) => policyDomain.startsWith(prefix)).length
  assert.equal(count('victim'), 2)
  assert.equal(count('kept'), 1_500)
  for (const [prefix, bound] of [
    ['none', 50],
    ['expired', 100],
  ] as const) {
    assert.ok(count(prefix) >= bound && count(prefix) <= bound + 257, `${prefix}: ${count(prefix)}`)
  }
  assert.ok(await cache.get(domain('none1499.test')), 'the newest stay')
})

test('a lookup is quick enough for the thread that delivers', async (t) => {
  const bed = bedFor(t)
  const cache = await bed.reopen()
  for (let n = 0; n < 1_000; n += 1) await cache.put(domain(`d${n}.test`), cached('enforce', START))
  const began = performance.now()
  for (let n = 0; n < 2_000; n += 1) await cache.get(domain(`d${n % 1_000}.test`))
  const each = ((performance.now() - began) / 2_000) * 1_000
  t.diagnostic(`a lookup takes ${each.toFixed(1)} µs`)
  assert.ok(each < 1_000, `${each} µs`)
})

test('a store that cannot answer rejects, which is not "no entry"', async (t) => {
  const bed = bedFor(t)
  const cache = await bed.reopen()
  await cache.put(domain('a.test'), cached('enforce', START))
  cache.close()
  await assert.rejects(cache.get(domain('a.test')), PolicyCacheUnavailable)
  await assert.rejects(cache.put(domain('a.test'), cached('enforce', START)), PolicyCacheUnavailable)
  await assert.rejects(cache.dueForRefresh(START, 1), PolicyCacheUnavailable)
})

test('a damaged entry is unavailable, not absent', async (t) => {
  const bed = bedFor(t)
  const cache = await bed.reopen()
  await cache.put(domain('a.test'), cached('enforce', START))
  cache.close()
  const db = new DatabaseSync(join(bed.dataDir, 'policy.db'))
  db.exec("UPDATE policy SET document = 'mode: none'")
  db.close()
  await assert.rejects((await bed.reopen()).get(domain('a.test')), PolicyCacheUnavailable)
})

test('a damaged file is told as one, and is not taken for an empty one', async (t) => {
  const bed = bedFor(t)
  const cache = await bed.reopen()
  await cache.put(domain('a.test'), cached('enforce', START))
  cache.close()
  const path = join(bed.dataDir, 'policy.db')
  const octets = readFileSync(path)
  // Each page but the first, which has the header and the tables.
  for (let page = PAGE_BYTES; page < octets.length; page += PAGE_BYTES) octets.fill(0xff, page, page + PAGE_BYTES)
  writeFileSync(path, octets)
  const message = 'the policy cache could not get: the file is damaged'
  const damaged = openSqlitePolicyCache({ dataDir: bed.dataDir, now: () => START })
  assert.ok(damaged.ok)
  t.after(() => damaged.value.close())
  assert.equal(damaged.value.trouble(), 'the file is damaged', 'told before anybody asks for a policy')
  await assert.rejects(damaged.value.get(domain('a.test')), new PolicyCacheUnavailable(message))
})

test('trouble that passes is told while it lasts', async (t) => {
  const bed = bedFor(t)
  const opened = openSqlitePolicyCache({ dataDir: bed.dataDir, now: () => START })
  assert.ok(opened.ok)
  t.after(() => opened.value.close())
  const { value: cache } = opened
  assert.equal(cache.trouble(), undefined)
  cache.close()
  await assert.rejects(cache.get(domain('a.test')), PolicyCacheUnavailable)
  assert.match(cache.trouble() ?? '', /^it could not get: /)
})

test('the file is for its owner only, and has one at a time', async (t) => {
  const bed = bedFor(t)
  const cache = await bed.reopen()
  const path = join(bed.dataDir, 'policy.db')
  assert.equal(statSync(path).mode & 0o077, 0)
  const second = openSqlitePolicyCache({ dataDir: bed.dataDir, now: () => START })
  assert.deepEqual(second, { ok: false, error: { kind: 'locked', path } })
  await cache.put(domain('a.test'), cached('enforce', START))
})

for (const [kind, make] of [
  ['text', (path: string) => writeFileSync(path, 'not a database, but precious\n'.repeat(10))],
  [
    "another program's SQLite file",
    (path: string) => {
      const other = new DatabaseSync(path)
      other.exec('CREATE TABLE t (a); PRAGMA user_version = 1')
      other.close()
    },
  ],
] as const) {
  test(`${kind} in place of the store is refused and untouched`, (t) => {
    const dataDir = folder(t)
    const path = join(dataDir, 'policy.db')
    make(path)
    const before = readFileSync(path)
    const opened = openSqlitePolicyCache({ dataDir, now: () => START })
    const damaged = kind === 'text' ? { damaged: true } : {}
    assert.deepEqual(opened, { ok: false, error: { kind: 'foreign-file', path, ...damaged } })
    assert.deepEqual(readFileSync(path), before)
  })
}

test('a store of a newer version is refused and untouched', async (t) => {
  const bed = bedFor(t)
  ;(await bed.reopen()).close()
  const path = join(bed.dataDir, 'policy.db')
  const db = new DatabaseSync(path)
  db.exec('PRAGMA user_version = 7')
  db.close()
  const before = readFileSync(path)
  const opened = openSqlitePolicyCache({ dataDir: bed.dataDir, now: () => START })
  assert.deepEqual(opened, { ok: false, error: { kind: 'newer-schema', path, found: 7, supported: 3 } })
  assert.deepEqual(readFileSync(path), before)
})

test('what is in the way of the file is named', (t) => {
  const dataDir = folder(t)
  mkdirSync(join(dataDir, 'policy.db'))
  const opened = openSqlitePolicyCache({ dataDir, now: () => START })
  assert.equal(!opened.ok && opened.error.kind, 'not-a-file')
})

test('a store of the first version is taken over with its policies', async (t) => {
  const bed = bedFor(t)
  const entry = cached('enforce', START)
  const first = await bed.reopen()
  await first.put(domain('a.test'), entry)
  first.close()
  const db = new DatabaseSync(join(bed.dataDir, 'policy.db'))
  db.exec(`
    DROP TABLE dane_seen;
    DROP TABLE operator_order;
    DROP INDEX policy_expiry;
    CREATE INDEX policy_expiry ON policy (expires_at);
    ALTER TABLE policy DROP COLUMN failed_at;
    ALTER TABLE policy DROP COLUMN failure;
    PRAGMA user_version = 1;
  `)
  db.close()
  const cache = await bed.reopen()
  const expected = { ...entry, policyDomain: 'a.test', failedRefreshes: 0 }
  assert.deepEqual(await cache.get(domain('a.test')), expected)
  assert.equal((await cache.count({ now: START, staleBefore: START }))[0]?.policies, 1)
})

test('what was done while no relay ran is kept in its order, and handed over once', async (t) => {
  const bed = bedFor(t)
  const orders = [
    { at: START, by: 'jane', policyDomain: domain('b.test'), mode: 'enforce' },
    { at: START + 1, by: 'joe', policyDomain: domain('a.test'), mode: undefined },
  ] as const
  const first = await bed.reopen()
  for (const order of orders) first.noteOrder(order)
  assert.deepEqual((await bed.reopen()).takeOrders(), orders)
  assert.deepEqual((await bed.reopen()).takeOrders(), [])
})

describe('a file that is deleted in use', () => {
  const entry = cached('enforce', START)
  const ofFile = (path: string) => {
    const db = new DatabaseSync(path, { readOnly: true })
    const domains = db.prepare('SELECT domain FROM policy ORDER BY domain').all()
    db.close()
    return domains.map((row) => row['domain'])
  }

  test('is written again at once, and once more with all that came when it is closed', async (t) => {
    const bed = bedFor(t)
    const path = join(bed.dataDir, 'policy.db')
    const cache = await bed.reopen()
    await cache.put(domain('a.test'), entry)
    assert.equal(cache.checkFile(), 'there')
    rmSync(path)
    assert.equal(cache.checkFile(), 'written-again')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(ofFile(path), ['a.test'])
    await cache.put(domain('b.test'), entry)
    assert.equal(cache.checkFile(), 'written-again')
    cache.close()
    assert.deepEqual(ofFile(path), ['a.test', 'b.test'])
    const again = await bed.reopen()
    assert.equal((await again.get(domain('b.test')))?.id, entry.id)
    assert.equal(again.checkFile(), 'there')
  })

  test('also when nobody looked before the stop', async (t) => {
    const bed = bedFor(t)
    const cache = await bed.reopen()
    await cache.put(domain('a.test'), entry)
    rmSync(join(bed.dataDir, 'policy.db'))
    assert.equal((await (await bed.reopen()).get(domain('a.test')))?.id, entry.id)
  })

  test('and replaced leaves the other file alone; without its folder nothing can be written', async (t) => {
    const bed = bedFor(t)
    const path = join(bed.dataDir, 'policy.db')
    const cache = await bed.reopen()
    rmSync(path)
    writeFileSync(path, 'another')
    assert.equal(cache.checkFile(), 'another')
    rmSync(bed.dataDir, { recursive: true })
    assert.equal(cache.checkFile(), 'lost')
    mkdirSync(bed.dataDir)
    writeFileSync(path, 'another')
    cache.close()
    assert.equal(readFileSync(path, 'utf8'), 'another')
  })
})

test('counting many policies is quick enough for the thread that delivers', async (t) => {
  const bed = bedFor(t)
  const cache = await bed.reopen()
  for (let n = 0; n < 2_000; n += 1) await cache.put(domain(`d${n}.test`), cached('enforce', START + n))
  const began = performance.now()
  assert.equal((await cache.count({ now: START, staleBefore: START }))[0]?.policies, 2_000)
  const took = performance.now() - began
  t.diagnostic(`counting 2,000 policies takes ${took.toFixed(2)} ms`)
  assert.ok(took < 500, `${took} ms`)
})
