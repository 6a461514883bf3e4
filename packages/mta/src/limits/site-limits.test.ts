import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SiteId } from './permits.ts'
import { type NamedLimit, type NamePattern, SiteLimitTable } from './site-limits.ts'

const USUAL = { concurrency: 20 }

function pattern(text: string): NamePattern {
  return text.startsWith('*.') ? { kind: 'below', name: text.slice(2) } : { kind: 'exact', name: text }
}

function limit(
  name: string,
  of: { readonly domains?: readonly string[]; readonly mx?: readonly string[] },
): NamedLimit {
  const { domains = [], mx = [] } = of
  return { name, domains: domains.map(pattern), mx: mx.map(pattern), limits: { concurrency: name.length } }
}

const TABLE = new SiteLimitTable(USUAL, [
  limit('outlook', { mx: ['*.protection.test'] }),
  limit('big', { mx: ['*.big.test', '*.bigmail.test'] }),
  limit('below', { domains: ['*.example.test'] }),
  limit('deeper', { domains: ['*.sub.example.test'] }),
  limit('one', { domains: ['shop.example.test', 'shop.test'] }),
])

function siteOf(domain: string | undefined, ...hosts: string[]): string | undefined {
  return TABLE.siteOf({ domain, hosts })
}

test('a provider with a host name for each customer is one site', () => {
  assert.equal(siteOf('a.test', 'a-test.mail.protection.test'), 'limit:outlook')
  assert.equal(siteOf('b.test', 'b-test.mail.protection.test'), 'limit:outlook')
})

test('without a limit of its own the hosts are the site', () => {
  assert.equal(siteOf('a.test', 'mx.a.test'), undefined)
  assert.equal(siteOf(undefined), undefined)
})

test('all hosts must fit, whichever pattern each of them fits', () => {
  assert.equal(siteOf('a.test', 'mx.big.test', 'alt.bigmail.test'), 'limit:big')
  assert.equal(siteOf('a.test', 'mx.big.test', 'slow.stranger.test'), undefined)
})

test('a domain says more than its hosts, a name more than a pattern, a longer pattern more than a shorter one', () => {
  assert.equal(siteOf('x.example.test', 'mx.big.test'), 'limit:below')
  assert.equal(siteOf('x.sub.example.test', 'mx.big.test'), 'limit:deeper')
  assert.equal(siteOf('shop.example.test', 'mx.big.test'), 'limit:one')
})

test('a pattern means what is below it, never itself, nor a name that only ends alike', () => {
  assert.equal(siteOf('example.test', 'mx.a.test'), undefined)
  assert.equal(siteOf('a.test', 'notbig.test'), undefined)
})

test('mail through a smarthost has the limits of the host, not of its name as a domain', () => {
  assert.equal(siteOf(undefined, 'smtp.big.test'), 'limit:big')
})

test('each site has its limits, and says whose they are', () => {
  assert.deepEqual(TABLE.limitsOf('limit:outlook' as SiteId), { concurrency: 7 })
  assert.equal(TABLE.nameOf('limit:outlook' as SiteId), 'outlook')
  assert.equal(TABLE.limitsOf('mx.a.test:25' as SiteId), USUAL)
  assert.equal(TABLE.nameOf('mx.a.test:25' as SiteId), undefined)
})
