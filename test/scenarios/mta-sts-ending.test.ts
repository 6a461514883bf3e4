/** RFC 8461 §5, §8.3: how a domain leaves MTA-STS, and how it does not. Each step is a restart on the same cache. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LOG_EVENTS } from '../../packages/mta/src/observability/log-events.ts'
import { covers } from '../conformance/covers.ts'
import { type PolicyOptions, StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const MX = 'mx.example.test'
const MAX_AGE_SECONDS = 86_400
const GONE = { '_mta-sts.example.test': {} } as const

async function withCache(use: (cacheDir: string) => Promise<void>): Promise<void> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'sts-ending-'))
  try {
    await use(cacheDir)
  } finally {
    await rm(cacheDir, { recursive: true, force: true })
  }
}

interface Step extends Pick<StsWorldOptions, 'cacheDir' | 'records' | 'now'> {
  readonly policy: PolicyOptions
  readonly policyHost: 'serves' | 'is gone'
  readonly tls?: 'self-signed' | 'none'
}

async function sendOnce({ policy, policyHost, tls, ...options }: Step, look: (world: StsWorld) => void): Promise<void> {
  await using world = await StsWorld.start({
    ...options,
    hosts: { [MX]: tls === undefined ? {} : { tls } },
    mx: { 'example.test': [[10, MX]] },
    policies: { 'example.test': { maxAge: MAX_AGE_SECONDS, ...policy } },
  })
  if (policyHost === 'is gone') world.policyHost('example.test').fault = 'close-at-accept'
  await world.send('example.test')
  look(world)
}

function troubles({ relay }: StsWorld): readonly string[] {
  return relay.events.map(({ event }) => event).filter((event) => ['warn', 'error'].includes(LOG_EVENTS[event].level))
}

for (const [what, change] of [
  ['its record too', { records: GONE }],
  ['the record changed', { id: 'other' }],
  ['the record stayed', {}],
] as const) {
  test(`STS-77: mode none: the policy host is gone, ${what}: mail goes as if no policy existed, and nobody is alarmed`, () =>
    withCache(async (cacheDir) => {
      covers('STS-77', { observe: 'smtp' })
      const policy = { mode: 'none', mx: [MX] } as const
      await sendOnce({ cacheDir, policy, policyHost: 'serves', tls: 'none' }, ({ relay }) => {
        assert.equal(relay.mx(MX).messages.length, 1)
      })
      const later = { cacheDir, policy: { ...policy, ...change }, policyHost: 'is gone', tls: 'none' } as const
      await sendOnce('records' in change ? { ...later, ...change } : later, (world) => {
        assert.deepEqual(
          world.relay.mx(MX).messages.map(({ inTls }) => inTls),
          [false],
        )
        assert.deepEqual(
          world.results.map(({ policyType }) => policyType),
          ['no-policy-found'],
        )
        assert.deepEqual(troubles(world), [])
        const [attempt] = world.relay.eventsOf('attempt-finished')
        assert.deepEqual(attempt?.policy, { kind: 'none', because: 'mode-none' }, 'the document is still there')
      })
    }))
}

test('STS-78: record and policy host vanish without a none: the policy holds to its last second, and then ends', () =>
  withCache(async (cacheDir) => {
    covers('STS-78', { observe: 'smtp' })
    const policy = { mode: 'enforce', mx: [MX] } as const
    const fetchedFrom = Date.now()
    await sendOnce({ cacheDir, policy, policyHost: 'serves' }, ({ relay }) => {
      assert.equal(relay.mx(MX).messages.length, 1)
    })
    const vanished = { cacheDir, policy, policyHost: 'is gone', tls: 'self-signed', records: GONE } as const
    // The clock of a policy that is fetched between the two is before its last second, and after it.
    const fetchedUntil = Date.now()
    const lastSecond = fetchedFrom + MAX_AGE_SECONDS * 1000 - 1
    await sendOnce({ ...vanished, now: () => lastSecond }, (world) => {
      assert.deepEqual(world.relay.mx(MX).connection.commands.slice(-2), ['STARTTLS', 'QUIT'])
      assert.equal(world.relay.eventsOf('session-failed')[0]?.problem.status, '4.7.5')
    })
    const over = fetchedUntil + MAX_AGE_SECONDS * 1000 + 1
    await sendOnce({ ...vanished, now: () => over }, (world) => {
      assert.equal(world.relay.mx(MX).messages[0]?.inTls, true)
      assert.equal(world.relay.eventsOf('sts-policy-expired')[0]?.mode, 'enforce')
    })
  }))
