import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  type CachedPolicy,
  createPolicyAdmin,
  createStsSource,
  type DomainName,
  openSqlitePolicyCache,
  type PolicyFetchError,
  type PolicyPurge,
  parseDomainName,
  parsePolicyFile,
  type Result,
  type SqlitePolicyCache,
  type StsMode,
  type StsPolicy,
} from '@hermetic/policy'
import { covers } from '../../../../test/conformance/covers.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import { startControlSocket } from '../admin/control-socket.ts'
import { labEntry, labQueue } from '../admin/queue-lab.ts'
import { TerminalLab } from './terminal-lab.ts'

const NOW = Date.UTC(2026, 10, 22, 12)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const A = domain('a.example.com')
const B = domain('b.example.com')

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok)
  return name.value
}

function document(mode: StsMode, maxAgeSeconds = 604_800): StsPolicy {
  const text = `version: STSv1\nmode: ${mode}\nmx: mx.example.com\nmx: *.example.net\nmax_age: ${maxAgeSeconds}\n`
  const policy = parsePolicyFile(Buffer.from(text))
  assert.ok(policy.ok)
  return policy.value
}

function cached(mode: StsMode, fetchedAt: number, maxAgeSeconds?: number): CachedPolicy {
  return { policy: document(mode, maxAgeSeconds), id: '20261101', fetchedAt, refreshAt: fetchedAt + DAY }
}

interface World {
  readonly lab: TerminalLab
  readonly cache: SqlitePolicyCache
  readonly told: readonly PolicyPurge[]
  /** What a fetch brings. */
  answer: Result<{ readonly policy: StsPolicy }, PolicyFetchError>
}

function openCache(dataDir: string): SqlitePolicyCache {
  const opened = openSqlitePolicyCache({ dataDir, now: () => NOW })
  assert.ok(opened.ok)
  return opened.value
}

/** Two policies, one of which could not be refreshed; a control socket as the running relay has it. */
async function withRelay(use: (world: World) => Promise<void>): Promise<void> {
  using lab = new TerminalLab()
  lab.now = NOW
  const dataDir = join(lab.directory, 'data')
  mkdirSync(dataDir)
  const cache = openCache(dataDir)
  await fill(cache)
  const told: PolicyPurge[] = []
  const world: World = { lab, cache, told, answer: { ok: true, value: { policy: document('testing') } } }
  const source = createStsSource({
    cache,
    resolver: {
      txt: async (canonicalName) => {
        const records: readonly [readonly string[]] = [['v=STSv1; id=2']]
        return { kind: 'records', records, ttlSeconds: 60, secure: false, canonicalName }
      },
    },
    fetch: async () => world.answer,
    now: () => NOW,
    random: Math.random,
    emit: () => undefined,
  })
  const control = await startControlSocket({
    path: join(dataDir, SOCKET_NAME),
    queue: labQueue([labEntry(1)]),
    policies: createPolicyAdmin({ cache, source, now: () => NOW, tell: (purge) => void told.push(purge) }),
    status: async () => ({}) as never,
    queueChanged: () => undefined,
    emit: () => undefined,
  })
  try {
    await use(world)
  } finally {
    await control.close()
    cache.close()
  }
}

/** The same policies, and nobody who runs. */
async function withFile(use: (world: Pick<World, 'lab'>) => Promise<void>): Promise<void> {
  using lab = new TerminalLab()
  lab.now = NOW
  const cache = openCache(join(lab.directory, 'data'))
  await fill(cache)
  cache.close()
  await use({ lab })
}

async function fill(cache: SqlitePolicyCache): Promise<void> {
  await cache.put(B, cached('testing', NOW - 2 * HOUR, 86_400))
  await cache.put(A, cached('enforce', NOW - 3 * DAY - HOUR))
  const failure = { at: NOW - HOUR, reason: 'sts-webpki-invalid: webpki-expired' }
  await cache.postponeRefresh(A, { fetchedAt: NOW - 3 * DAY - HOUR, refreshAt: NOW + 5 * HOUR, failure })
}

for (const [by, within] of [
  ['relay', withRelay],
  ['file', withFile],
] as const) {
  const READING = by === 'file' ? 'No relay runs; reading policy.db directly.\n' : ''

  describe(`hermetic policy, by the ${by}`, () => {
    test('STS-80: list tells each cached policy: mode, age, expiry, refreshes and the hosts it names', () =>
      within(async ({ lab }) => {
        covers('STS-80', { observe: 'store' })
        const { code, out, err } = await lab.run('policy', 'list')
        assert.deepEqual([code, err], [0, READING])
        const [head = '', a = '', b = ''] = out.split('\n')
        assert.match(head, /^DOMAIN +MODE +ID +AGE +EXPIRES +REFRESH +MX$/)
        assert.match(
          a,
          /^a\.example\.com +enforce +20261101 +3d 1h +in 3d 23h +in 5h, 1 failed +mx\.example\.com \*\.example\.net$/,
        )
        assert.match(b, /^b\.example\.com +testing +20261101 +2h +in 22h +in 22h +mx\.example\.com/)
        const lines = (await lab.run('policy', 'list', '--json')).out.trimEnd().split('\n')
        assert.deepEqual(
          lines.map((line) => JSON.parse(line).domain),
          [A, B],
        )
      }))

    test('STS-80: show tells one policy in full, with why its last refresh failed', () =>
      within(async ({ lab }) => {
        covers('STS-80', { observe: 'store' })
        const { code, out } = await lab.run('policy', 'show', 'A.EXAMPLE.com')
        assert.equal(code, 0)
        assert.match(out, /^Mode: +enforce$/m)
        assert.match(out, /^Expires: +2026-11-26T11:00:00Z, in 3d 23h$/m)
        assert.match(out, /^Failures: +1, the last 1h ago: sts-webpki-invalid: webpki-expired$/m)
        assert.match(out, /^ {2}│ max_age: 604800$/m)
        const shown = JSON.parse((await lab.run('policy', 'show', 'a.example.com', '--json')).out)
        assert.deepEqual(shown.mx, ['mx.example.com', '*.example.net'])
        assert.equal(shown.expired, false)
        assert.deepEqual(shown.last_failure, {
          at: '2026-11-22T11:00:00Z',
          reason: 'sts-webpki-invalid: webpki-expired',
        })
        const missing = await lab.run('policy', 'show', 'c.example.com')
        assert.deepEqual([missing.code, missing.err], [1, `${READING}c.example.com: no policy is cached\n`])
      }))

    test('STS-80: purge ends a policy at once and says plainly what that means', () =>
      within(async ({ lab }) => {
        covers('STS-80', { observe: 'store' })
        const { code, out } = await lab.run('policy', 'purge', 'a.example.com')
        assert.equal(code, 0)
        assert.match(out, /^a\.example\.com: the cached policy \(enforce\) is thrown away\n/)
        assert.match(out, /first contact again: until a policy is fetched anew, mail goes out as if there were none/)
        assert.equal((await lab.run('policy', 'show', 'a.example.com')).code, 1)
        assert.equal((await lab.run('policy', 'show', 'b.example.com')).code, 0)
        assert.equal((await lab.run('policy', 'purge', 'a.example.com')).code, 1)
      }))
  })
}

test('STS-80: a running relay is told who purged', () =>
  withRelay(async ({ lab, told }) => {
    covers('STS-80', { observe: 'store' })
    await lab.run('policy', 'purge', 'a.example.com', 'b.example.com')
    const { username: by } = userInfo()
    assert.deepEqual(told, [
      { policyDomain: A, mode: 'enforce', by, at: NOW },
      { policyDomain: B, mode: 'testing', by, at: NOW },
    ])
  }))

test('STS-80: what is purged while no relay runs is kept for its log', () =>
  withFile(async ({ lab }) => {
    covers('STS-80', { observe: 'store' })
    assert.match((await lab.run('policy', 'purge', 'a.example.com')).out, /The next start of the relay logs it\.$/m)
    const cache = openCache(join(lab.directory, 'data'))
    const [order] = cache.takeOrders()
    cache.close()
    assert.deepEqual([order?.policyDomain, order?.mode, order?.by], [A, 'enforce', userInfo().username])
  }))

describe('hermetic policy refresh', () => {
  test('fetches now, and tells what came of it', () =>
    withRelay(async (world) => {
      const { lab } = world
      const fetched = await lab.run('policy', 'refresh', 'a.example.com')
      assert.deepEqual(
        [fetched.code, fetched.out],
        [0, 'a.example.com: fetched a new document: testing, id 2, for 7d\n'],
      )
      const same = await lab.run('policy', 'refresh', 'a.example.com')
      assert.match(same.out, /fetched the same document, with a new life: testing/)
      world.answer = { ok: false, error: { kind: 'status', address: '192.0.2.1', status: 404 } }
      const failed = await lab.run('policy', 'refresh', 'a.example.com')
      assert.equal(failed.code, 1)
      assert.match(failed.err, /not fetched: sts-policy-fetch-error, status-404; what is cached stays, .* in 5m$/m)
      assert.match((await lab.run('policy', 'refresh', 'a.example.com')).err, /not asked: the last fetch .* failed/)
      assert.match((await lab.run('policy', 'show', 'a.example.com')).out, /^Failures: +1, the last 0s ago/m)
    }))

  test('needs a running relay', () =>
    withFile(async ({ lab }) => {
      const { code, err } = await lab.run('policy', 'refresh', 'a.example.com')
      assert.equal(code, 1)
      assert.match(err, /no relay runs that could/)
    }))
})

test('a store without policies, an unknown word and a wrong domain are told as such', async () => {
  using lab = new TerminalLab()
  assert.equal((await lab.run('policy', 'list')).code, 0)
  assert.equal((await lab.run('policy', 'show', 'a.example.com')).code, 1)
  assert.match((await lab.run('policy', 'lsit')).err, /did you mean list\?/)
  assert.equal((await lab.run('policy', 'purge')).code, 2)
  assert.equal((await lab.run('policy', 'purge', 'not a domain')).code, 2)
  assert.equal((await lab.run('policy', 'purge', 'a.example.com', '--json')).code, 2)
})

test('a relay without MTA-STS says that it is off', async () => {
  using lab = new TerminalLab()
  const dataDir = join(lab.directory, 'data')
  mkdirSync(dataDir)
  const control = await startControlSocket({
    path: join(dataDir, SOCKET_NAME),
    queue: labQueue([]),
    status: async () => ({}) as never,
    queueChanged: () => undefined,
    emit: () => undefined,
  })
  try {
    const { code, err } = await lab.run('policy', 'list')
    assert.equal(code, 1)
    assert.match(err, /MTA-STS is off: \[mta_sts\] enabled = false/)
  } finally {
    await control.close()
  }
})
