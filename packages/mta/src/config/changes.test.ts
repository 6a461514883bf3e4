/** Which changes of a configuration a running relay takes over, and which it only names. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { configChanges } from './changes.ts'
import { loadConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import type { Config } from './schema.ts'

const directory = mkdtempSync(join(tmpdir(), 'hermetic-changes-'))
after(() => rmSync(directory, { recursive: true }))

function config(toml: string): Config {
  const file = join(directory, 'hermetic.toml')
  writeFileSync(file, toml, { mode: 0o600 })
  const loaded = loadConfig({ file, env: {}, now: () => Date.UTC(2026, 10, 22) })
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.error.map(formatProblem).join('\n'))
  return loaded.value
}

const HASH = `sha256:${'A'.repeat(43)}=`
const OTHER = `sha256:${'B'.repeat(43)}=`

describe('changes of a configuration', () => {
  for (const [rule, before, next, live, restart] of [
    ['nothing', 'hostname = "a.example"', 'hostname = "a.example"', [], []],
    ['a limit', '', '[submission]\nmax_recipients = 500', ['submission.max_recipients'], []],
    ['a name of ours', 'hostname = "a.example"', 'hostname = "b.example"', [], ['hostname']],
    ['a route', '', '[[route]]\ndomain = "*"\nhost = "smart.example"', ['route'], []],
    [
      'another secret alone',
      `[[credential]]\nusername = "a"\nsecret_hash = "${HASH}"`,
      `[[credential]]\nusername = "a"\nsecret_hash = "${OTHER}"`,
      ['credential'],
      [],
    ],
    [
      'live and other settings of one table',
      '[delivery]\nmax_age = "1d"\nport = 2525',
      '[delivery]\nmax_age = "2d"\nport = 2526\nconcurrency = 7',
      ['delivery.max_age'],
      ['delivery.port', 'delivery.concurrency'],
    ],
    [
      'what is decided behind a socket, and the socket',
      '[[listener]]\nkind = "relay"\nport = 2525\nallow_networks = ["10.0.0.0/8"]',
      '[[listener]]\nkind = "relay"\nport = 2526\nallow_networks = ["10.1.0.0/16"]',
      ['listener[0].allow_networks'],
      ['listener[0].port'],
    ],
    [
      'one listener more',
      '[[listener]]\nkind = "submission"\nport = 2525',
      '[[listener]]\nkind = "submission"\nport = 2525\n[[listener]]\nkind = "submission"\nport = 2526',
      [],
      ['listener'],
    ],
    ['an override', '', '[[policy_override]]\ndomain = "example.com"\nrequire = "pkix"', ['policy_override'], []],
    [
      'whether there is a list',
      '',
      '[suppression]\nenabled = true\nstrikes = 3',
      ['suppression.strikes'],
      ['suppression.enabled'],
    ],
    ['how much is logged', '', '[log]\nlevel = "debug"', [], ['log']],
  ] as const) {
    test(`${rule}: ${live.join(', ') || 'nothing'} at once, ${restart.join(', ') || 'nothing'} later`, () => {
      const running = config(before)
      const wanted = config(next)
      const changes = configChanges(running, wanted)
      assert.deepEqual([changes.live, changes.restart], [live, restart])
      // What is left to do after it has been done is what waits, and what was wanted is all there is to wait for.
      const again = configChanges(changes.effective, wanted)
      assert.deepEqual([again.live, again.restart], [[], restart])
      assert.deepEqual(configChanges(running, changes.effective).restart, [])
    })
  }

  test('a route that may need other source addresses waits with them', () => {
    const source = '[[source]]\npool = "bulk"\naddress = "127.0.0.2"\n'
    const changes = configChanges(
      config(''),
      config(`${source}[[route]]\ndomain = "*"\nhost = "smart.example"\nsource_pool = "bulk"`),
    )
    assert.deepEqual([changes.live, changes.restart], [[], ['route', 'source']])
  })
})
