import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SqliteHistory } from '../history/adapters/sqlite-history.ts'
import { observedEntry } from '../history/history.fixture.ts'
import { TerminalLab } from './terminal-lab.ts'

const HOUR_MS = 3_600_000
const NOW = 100 * HOUR_MS

async function withHistory(use: (lab: TerminalLab, history: SqliteHistory) => Promise<void>, settings = '') {
  using lab = new TerminalLab()
  lab.now = NOW
  const dataDir = join(lab.directory, 'data')
  mkdirSync(dataDir)
  lab.file('hermetic.toml', settings)
  const history = new SqliteHistory({ dataDir, retentionMs: 168 * HOUR_MS, maxBytes: 2 ** 26, now: () => NOW })
  try {
    await use(lab, history)
  } finally {
    await history.close()
  }
}

test('when no relay runs, the file is read: only so far back as is asked for', () =>
  withHistory(async (lab, history) => {
    await history.record([
      observedEntry({ domain: 'a.test', at: NOW - 30 * HOUR_MS, refuse: 'not-encrypted' }),
      observedEntry({ domain: 'a.test', at: NOW - 2 * HOUR_MS, refuse: 'tlsa-mismatch' }),
      observedEntry({ domain: 'b.test', at: NOW - HOUR_MS }),
    ])
    await history.close()
    const { code, out, err } = await lab.run('observe', 'summary')
    assert.deepEqual([code, err], [0, 'No relay runs; reading the file directly.\n'])
    assert.equal(
      out,
      `In the last 1d: 2 deliveries to mail exchangers of 2 domains.
Enforcing MTA-STS and DANE would have refused 1 of them, at 1 domain.

DOMAIN  REFUSED  OF    LAST  HOSTS          REASONS
a.test        1   1  2h ago  mx.a.test (1)  certificate that no TLSA record means (1)
Nothing is observed now: policies are enforced everywhere ([delivery] enforcement).
`,
    )
    const longer = await lab.run('observe', 'summary', '--since', '3d', '--json')
    assert.equal(JSON.parse(longer.out.split('\n')[0] ?? '').would_have_refused, 2)
  }))

test('a quiet time is told as that, and which domains are observed', () => {
  const settings = '[[policy_override]]\ndomain = "*.lab.test"\nenforcement = "observe"\n'
  return withHistory(async (lab, history) => {
    await history.record([observedEntry({ domain: 'a.test', at: NOW - HOUR_MS })])
    await history.close()
    const { out } = await lab.run('observe', 'summary')
    assert.match(
      out,
      /^In the last 1d: 1 delivery to mail exchangers of 1 domain\.\nEnforcing .* refused none of them\.$/m,
    )
    assert.match(out, /^Observed now: \*\.lab\.test; everywhere else policies are enforced\.$/m)
  }, settings)
})

test('without a history there is nothing to tell', () =>
  withHistory(async (lab) => {
    const { code, err } = await lab.run('observe', 'summary')
    assert.deepEqual([code, /There is no delivery history/.test(err)], [1, true])
    lab.file('hermetic.toml', '[history]\nretention = "0s"\n')
    assert.match((await lab.run('observe', 'summary')).err, /No delivery history is kept/)
  }))

for (const [rule, args] of [
  ['no word', []],
  ['another word', ['list']],
  ['a time without a unit', ['summary', '--since', '24']],
  ['no time at all', ['summary', '--since', '0s']],
] as const) {
  test(`${rule} is not understood`, () =>
    withHistory(async (lab) => assert.equal((await lab.run('observe', ...args)).code, 2)))
}
