import assert from 'node:assert/strict'
import { test } from 'node:test'
import { siteOf } from './site.ts'

test('the same hosts in any order are one site', () => {
  assert.equal(siteOf(['b.test', 'a.test'], 25), siteOf(['a.test', 'b.test', 'a.test'], 25))
})

test('another host or another port is another site', () => {
  const site = siteOf(['a.test'], 25)
  assert.notEqual(site, siteOf(['a.test', 'b.test'], 25))
  assert.notEqual(site, siteOf(['a.test'], 26))
})

test('many long names stay short and apart', () => {
  const names = Array.from({ length: 32 }, (_, n) => `${'x'.repeat(60)}${n}.example.test`)
  const site = siteOf(names, 25)
  assert.ok(site.length < 220)
  assert.notEqual(site, siteOf(names.slice(1), 25))
  assert.notEqual(site, siteOf([...names.slice(0, 31), 'other.test'], 25))
})
