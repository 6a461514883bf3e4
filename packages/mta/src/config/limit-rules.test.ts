import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'

const OUTLOOK = '[[limit]]\nname = "outlook"\nmx = ["*.protection.test"]\n'

test('a limit names domains or hosts, and what is allowed with them', () => {
  const { limit, delivery } = configOf(
    `${OUTLOOK}connections = 5\nrate = "100/1m"\nburst = 10\nadaptive = false\n[delivery]\nrate_per_site = "5000/h"\n`,
  )
  assert.deepEqual(limit, [
    {
      name: 'outlook',
      domain: [],
      mx: [{ kind: 'below', name: 'protection.test' }],
      connections: 5,
      rate: { transactions: 100, perMs: 60_000, burst: 100 },
      burst: 10,
      adaptive: false,
    },
  ])
  assert.equal(delivery.rate_per_site?.perMs, 3_600_000)
  assert.equal(delivery.adaptive_concurrency, true)
})

test('a limit that means nobody, or somebody twice, stops the start at its line', () => {
  assert.deepEqual(problemsOf('[[limit]]\nname = "a"\nconnections = 5\n'), [
    'hermetic.toml:1:1: limit[0] does not say whose mail it limits; write domain = ["…"] or mx = ["…"]; what holds for all is in [delivery]',
  ])
  assert.deepEqual(problemsOf(`${OUTLOOK}[[limit]]\nname = "more"\nmx = ["a.test", "*.protection.test"]\n`), [
    'hermetic.toml:6:17: limit[1].mx[1] is limited twice: "*.protection.test"; remove one of the two',
  ])
  assert.match(problemsOf(`${OUTLOOK}${OUTLOOK.replace('*.', '')}`).join(), /is the name of two tables: "outlook"/)
})

test('a burst belongs to a rate, its own or that of all sites', () => {
  assert.match(
    problemsOf(`${OUTLOOK}burst = 5\n`).join(),
    /hermetic\.toml:4:1: limit\[0\]\.burst does nothing without a rate/,
  )
  assert.deepEqual(problemsOf(`${OUTLOOK}burst = 5\n[delivery]\nrate_per_site = "60/1m"\n`), [])
})

test('patterns, names and rates are in the strict forms', () => {
  assert.match(problemsOf('[[limit]]\nname = "a b"\ndomain = ["x.test"]\n').join(), /small letters/)
  assert.match(problemsOf('[[limit]]\nname = "a"\ndomain = ["*"]\n').join(), /for every name below it/)
  assert.match(problemsOf('[[limit]]\nname = "a"\ndomain = ["x.test"]\nrate = "fast"\n').join(), /600\/1m/)
})
