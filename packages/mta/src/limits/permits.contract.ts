/**
 * The full meaning of the `Permits` promises: every adapter's test is one call to this.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Permit, Permits, SiteId } from './permits.ts'

const SITE = 'mx.example.com:25' as SiteId
const OTHER = 'mx.example.org:25' as SiteId

/** Opens permits with the given limit per site. */
export function permitsContract(open: (perSite: number) => Permits): void {
  describe('permits', () => {
    test('as many at once as the limit says, for each site', async () => {
      const permits = open(2)
      await acquired(permits, SITE)
      await acquired(permits, SITE)
      assert.equal(await permits.acquire(SITE), undefined)
      await acquired(permits, OTHER)
    })

    test('a permit that returns can be had again', async () => {
      const permits = open(1)
      const permit = await acquired(permits, SITE)
      permit.release('good')
      await acquired(permits, SITE)
    })

    test('those who wait are called once each, in the order of asking', async () => {
      const permits = open(1)
      const calls: string[] = []
      const permit = await acquired(permits, SITE)
      for (const name of ['first', 'second']) await permits.acquire(SITE, () => calls.push(name))
      assert.deepEqual(calls, [])
      permit.release('failed')
      await settled()
      assert.deepEqual(calls, ['first'])
      const next = await acquired(permits, SITE)
      next.release('unused')
      await settled()
      assert.deepEqual(calls, ['first', 'second'])
      const last = await acquired(permits, SITE)
      last.release('good')
      await settled()
      assert.deepEqual(calls, ['first', 'second'])
    })

    test('releasing twice is releasing once', async () => {
      const permits = open(1)
      const permit = await acquired(permits, SITE)
      permit.release('good')
      permit.release('good')
      await acquired(permits, SITE)
      assert.equal(await permits.acquire(SITE), undefined)
    })

    test('a waiter may ask again inside the call', async () => {
      const permits = open(1)
      const permit = await acquired(permits, SITE)
      let again: Promise<Permit | undefined> | undefined
      await permits.acquire(SITE, () => {
        again = permits.acquire(SITE)
      })
      permit.release('good')
      await settled()
      assert.ok((await again) !== undefined)
    })
  })
}

async function acquired(permits: Permits, site: SiteId): Promise<Permit> {
  const permit = await permits.acquire(site)
  assert.ok(permit !== undefined, 'no permit')
  return permit
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
