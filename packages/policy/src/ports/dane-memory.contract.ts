/** What `DaneMemory` promises, as tests: every adapter's test file is one call to this. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import type { DaneMemory, DaneSubject } from './dane-memory.ts'

export interface DaneMemoryBed {
  /** How many subjects it keeps at least, and a bound for how many at most. */
  readonly keeps: number
  readonly keepsAtMost: number
  /** The same store whenever it is called within one test; closes what was open before. */
  readonly reopen: () => Promise<DaneMemory>
}

export function daneMemoryContract(bedFor: (t: TestContext) => DaneMemoryBed): void {
  const host = name('mx.example.test')
  const tlsa: DaneSubject = { kind: 'tlsa', host, port: 25 }

  test('what was seen survives reopening, and what never was is undefined', async (t) => {
    const bed = bedFor(t)
    await (await bed.reopen()).remember(tlsa, 1_000)
    const memory = await bed.reopen()
    assert.equal(await memory.lastSeen(tlsa), 1_000)
    assert.equal(await memory.lastSeen({ ...tlsa, host: name('other.test') }), undefined)
  })

  test('a host at another port, and the MX of a domain with its name, are other subjects', async (t) => {
    const memory = await bedFor(t).reopen()
    await memory.remember(tlsa, 1_000)
    assert.equal(await memory.lastSeen({ ...tlsa, port: 587 }), undefined)
    assert.equal(await memory.lastSeen({ kind: 'mx', nextHop: host }), undefined)
    await memory.remember({ kind: 'mx', nextHop: host }, 2_000)
    assert.equal(await memory.lastSeen(tlsa), 1_000)
  })

  test('seen again, it was seen then', async (t) => {
    const memory = await bedFor(t).reopen()
    await memory.remember(tlsa, 1_000)
    await memory.remember(tlsa, 2_000)
    assert.equal(await memory.lastSeen(tlsa), 2_000)
  })

  test('one of those who forget it together is told that there was something', async (t) => {
    const memory = await bedFor(t).reopen()
    await memory.remember(tlsa, 1_000)
    const told = await Promise.all([memory.forget(tlsa), memory.forget(tlsa), memory.forget(tlsa)])
    assert.deepEqual(told.filter(Boolean), [true])
    assert.equal(await memory.lastSeen(tlsa), undefined)
  })

  test('it does not grow without end, and what was seen last stays', async (t) => {
    const bed = bedFor(t)
    const memory = await bed.reopen()
    const subject = (index: number): DaneSubject => ({ kind: 'tlsa', host: name(`mx${index}.test`), port: 25 })
    const all = bed.keepsAtMost * 2
    for (let index = 0; index < all; index++) await memory.remember(subject(index), index)
    const kept: number[] = []
    for (let index = 0; index < all; index++) {
      if ((await memory.lastSeen(subject(index))) !== undefined) kept.push(index)
    }
    assert(kept.length >= bed.keeps && kept.length <= bed.keepsAtMost, `${kept.length}`)
    assert.equal(kept[0], all - kept.length)
  })
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}
