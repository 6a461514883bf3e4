import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, problemsOf } from '../config-lab.ts'

describe('[dane]', () => {
  test('DANE is on as soon as somebody validates, and uses what hosts behind an unsigned MX publish', () => {
    const { dane, dns } = configOf(undefined)
    assert.deepEqual(dane, { enabled: 'auto', insecure_mx: 'use', digests: ['sha-512', 'sha-256'] })
    assert.equal(dns.trust, 'auto')
  })

  for (const [written, enabled] of [
    ['true', true],
    ['false', false],
    ['"auto"', 'auto'],
  ] as const) {
    test(`enabled = ${written}`, () => assert.equal(configOf(`[dane]\nenabled = ${written}\n`).dane.enabled, enabled))
  }

  for (const [word, enabled] of [
    ['true', true],
    ['false', false],
    ['auto', 'auto'],
  ] as const) {
    test(`HERMETIC_DANE__ENABLED=${word}`, () => {
      assert.equal(configOf(undefined, { env: { HERMETIC_DANE__ENABLED: word } }).dane.enabled, enabled)
    })
  }

  for (const [written, wrong] of [
    ['"yes"', 'dane.enabled cannot be "yes"'],
    ['1', 'dane.enabled is a number, not true, false or "auto"'],
  ] as const) {
    test(`enabled = ${written} is refused, with what can be written`, () => {
      assert.deepEqual(problemsOf(`[dane]\nenabled = ${written}\n`), [
        `hermetic.toml:2:1: ${wrong}; write true, false or "auto"`,
      ])
    })
  }

  test('nobody can be trusted and DANE be demanded: mail would be held for ever', () => {
    assert.deepEqual(problemsOf('[dns]\ntrust = "none"\n[dane]\nenabled = true\n'), [
      'hermetic.toml:4:1: dane.enabled is true, but dns.trust is "none": nobody would validate DNSSEC; write dns.trust = "auto" or "ad", or enabled = false',
    ])
  })
})
