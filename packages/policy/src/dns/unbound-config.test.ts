import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { unboundConfig } from './unbound-config.ts'

const identity = { owner: 'abc.invalid', text: 'def' }
const config = (options: Partial<Parameters<typeof unboundConfig>[0]> = {}) =>
  unboundConfig({
    ...{ port: 5_353, forwarders: [], identity, version: { text: '1.17.1', hasExtendedErrors: true } },
    ...options,
  }).split('\n')

describe('the settings of a private unbound', () => {
  test('it listens on loopback only, takes no orders, and answers nobody else', () => {
    const lines = config().map((line) => line.trim())
    assert.deepEqual(
      lines.filter((line) => line.startsWith('interface:')),
      ['interface: 127.0.0.1@5353'],
    )
    for (const line of ['control-enable: no', 'access-control: 0.0.0.0/0 refuse', 'so-reuseport: no'])
      assert.ok(lines.includes(line), line)
  })

  test('nothing unvalidated passes', () => {
    const lines = config().map((line) => line.trim())
    for (const line of [
      'module-config: "validator iterator"',
      'val-permissive-mode: no',
      'harden-dnssec-stripped: yes',
      'serve-expired: no',
      'auto-trust-anchor-file: "root.key"',
    ])
      assert.ok(lines.includes(line), line)
    assert.ok(!lines.some((line) => line.startsWith('domain-insecure')))
  })

  test('without name servers of the operator it asks the root', () => {
    assert.ok(!config().includes('forward-zone:'))
    assert.ok(config().includes('  do-not-query-localhost: yes'))
  })

  test('with them it asks nobody else, also not when they fail', () => {
    const lines = config({
      forwarders: [
        { address: '192.0.2.53', port: 53 },
        { address: '2001:db8::53', port: 5_300 },
      ],
    })
    assert.deepEqual(lines.slice(lines.indexOf('forward-zone:')), [
      'forward-zone:',
      '  name: "."',
      '  forward-first: no',
      '  forward-addr: 192.0.2.53@53',
      '  forward-addr: 2001:db8::53@5300',
      '',
    ])
    assert.ok(lines.includes('  do-not-query-localhost: yes'))
  })

  test('one of them on this machine is asked too', () => {
    assert.ok(config({ forwarders: [{ address: '127.0.0.1', port: 53 }] }).includes('  do-not-query-localhost: no'))
  })

  test('a version without extended errors is not asked for them', () => {
    assert.ok(config().includes('  ede: yes'))
    const old = { text: '1.13.1', hasExtendedErrors: false }
    assert.ok(!config({ version: old }).some((line) => line.includes('ede')))
  })

  test('only it can answer for its own record', () => {
    assert.ok(config().includes(`  local-data: 'abc.invalid. 0 IN TXT "def"'`))
  })
})
