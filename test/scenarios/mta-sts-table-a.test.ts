/** Conformance, Table A, group 3: what the policy of the domain makes of each kind of host, one test for each row. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type PolicyOptions, StsWorld } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const MX = 'mx.example.test'
const NAMED: PolicyOptions = { mode: 'enforce', mx: ['other.test', '*.example.test'] }
const UNNAMED: PolicyOptions = { mode: 'enforce', mx: ['other.test'] }
const testing = (policy: PolicyOptions): PolicyOptions => ({ ...policy, mode: 'testing' })

const NO_STARTTLS: HostOptions = { tls: 'none' }
const REFUSED: HostOptions = { script: { STARTTLS: '454 4.7.0 not now' } }
const BROKEN: HostOptions = { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } }

interface Row {
  readonly row: string
  readonly policy?: PolicyOptions
  readonly host: HostOptions
  /** How the message arrived; undefined: it must wait. */
  readonly arrives: 'clear' | 'tls' | undefined
  readonly level?: 'clear' | 'encrypted' | 'sts'
  readonly status?: '4.7.5' | '4.7.10'
  /** `npf` or `sts`, and the details of a failure. */
  readonly report: readonly ['npf' | 'sts', ...(readonly string[])]
}

const rows: readonly Row[] = [
  {
    row: '23, not offered',
    host: NO_STARTTLS,
    arrives: 'clear',
    level: 'clear',
    report: ['npf', 'starttls-not-supported'],
  },
  {
    row: '23, refused',
    host: REFUSED,
    arrives: 'clear',
    level: 'clear',
    report: ['npf', 'starttls-not-supported: 454'],
  },
  { row: '24, good', host: {}, arrives: 'tls', level: 'encrypted', report: ['npf'] },
  { row: '24, expired', host: { tls: 'expired' }, arrives: 'tls', level: 'encrypted', report: ['npf'] },
  { row: '24, self-signed', host: { tls: 'self-signed' }, arrives: 'tls', level: 'encrypted', report: ['npf'] },
  { row: '25', host: BROKEN, arrives: 'clear', level: 'clear', report: ['npf', 'validation-failure: not-tls'] },
  { row: '26', policy: testing(NAMED), host: {}, arrives: 'tls', level: 'sts', report: ['sts'] },
  {
    row: '27, expired',
    policy: testing(NAMED),
    host: { tls: 'expired' },
    arrives: 'tls',
    level: 'encrypted',
    report: ['sts', 'certificate-expired'],
  },
  {
    row: '27, wrong name',
    policy: testing(NAMED),
    host: { tls: 'wrong-name' },
    arrives: 'tls',
    level: 'encrypted',
    report: ['sts', 'certificate-host-mismatch'],
  },
  {
    row: '28, not offered',
    policy: testing(NAMED),
    host: NO_STARTTLS,
    arrives: 'clear',
    level: 'clear',
    report: ['sts', 'starttls-not-supported'],
  },
  {
    row: '28, refused',
    policy: testing(NAMED),
    host: REFUSED,
    arrives: 'clear',
    level: 'clear',
    report: ['sts', 'starttls-not-supported: 454'],
  },
  {
    row: '29',
    policy: testing(NAMED),
    host: BROKEN,
    arrives: 'clear',
    level: 'clear',
    report: ['sts', 'validation-failure: not-tls'],
  },
  {
    row: '30, good',
    policy: testing(UNNAMED),
    host: {},
    arrives: 'tls',
    level: 'encrypted',
    report: ['sts', 'validation-failure: sts-mx-mismatch'],
  },
  {
    row: '30, wrong name',
    policy: testing(UNNAMED),
    host: { tls: 'wrong-name' },
    arrives: 'tls',
    level: 'encrypted',
    report: ['sts', 'validation-failure: sts-mx-mismatch', 'certificate-host-mismatch'],
  },
  {
    row: '30, no STARTTLS',
    policy: testing(UNNAMED),
    host: NO_STARTTLS,
    arrives: 'clear',
    level: 'clear',
    report: ['sts', 'validation-failure: sts-mx-mismatch', 'starttls-not-supported'],
  },
  {
    row: '30, handshake fails',
    policy: testing(UNNAMED),
    host: BROKEN,
    arrives: 'clear',
    level: 'clear',
    report: ['sts', 'validation-failure: sts-mx-mismatch', 'validation-failure: not-tls'],
  },
  { row: '32', policy: NAMED, host: {}, arrives: 'tls', level: 'sts', report: ['sts'] },
  {
    row: '33, expired',
    policy: NAMED,
    host: { tls: 'expired' },
    arrives: undefined,
    status: '4.7.5',
    report: ['sts', 'certificate-expired'],
  },
  {
    row: '33, untrusted',
    policy: NAMED,
    host: { tls: 'self-signed' },
    arrives: undefined,
    status: '4.7.5',
    report: ['sts', 'certificate-not-trusted: UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  },
  {
    row: '33, wrong name',
    policy: NAMED,
    host: { tls: 'wrong-name' },
    arrives: undefined,
    status: '4.7.5',
    report: ['sts', 'certificate-host-mismatch'],
  },
  {
    row: '34, not offered',
    policy: NAMED,
    host: NO_STARTTLS,
    arrives: undefined,
    status: '4.7.10',
    report: ['sts', 'starttls-not-supported'],
  },
  {
    row: '34, refused',
    policy: NAMED,
    host: REFUSED,
    arrives: undefined,
    status: '4.7.10',
    report: ['sts', 'starttls-not-supported: 454'],
  },
  {
    row: '35',
    policy: NAMED,
    host: BROKEN,
    arrives: undefined,
    status: '4.7.5',
    report: ['sts', 'validation-failure: not-tls'],
  },
]

for (const { row, policy, host, arrives, level, status, report } of rows) {
  const what =
    policy === undefined
      ? 'no policy'
      : `${policy.mode}, ${policy.mx?.includes('other.test') && policy.mx.length === 1 ? 'not ' : ''}named`
  test(`Table A, row ${row} (${what}): ${arrives === undefined ? 'the message waits' : `delivered, ${level}`}`, async () => {
    await using world = await StsWorld.start({
      hosts: { [MX]: host },
      mx: { 'example.test': [[10, MX]] },
      ...(policy === undefined ? {} : { policies: { 'example.test': policy } }),
    })
    const id = await world.send('example.test')
    const mx = world.relay.mx(MX)
    assert.deepEqual(world.results.map(reported), [report])
    if (arrives === undefined) {
      for (const { commands } of mx.connections) assert.ok(!commands.some((line) => line.startsWith('MAIL')))
      const { lastOutcome } = await world.relay.recipient(id, 'bob@example.test')
      assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, status)
      return
    }
    assert.deepEqual(
      mx.messages.map(({ inTls }) => inTls),
      [arrives === 'tls'],
    )
    assert.deepEqual(world.relay.eventsOf('attempt-finished')[0]?.verdict, { kind: 'proven', level })
  })
}

test('STS-97, Table A, row 31 (enforce, not named): no connection, and the message waits with 4.7.5', async () => {
  covers('STS-97', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: {} },
    mx: { 'example.test': [[10, MX]] },
    policies: { 'example.test': UNNAMED },
  })
  const id = await world.send('example.test')
  assert.equal(world.relay.mx(MX).connections.length, 0)
  assert.deepEqual(world.results.map(reported), [['sts', 'validation-failure: sts-mx-mismatch']])
  const { lastOutcome } = await world.relay.recipient(id, 'bob@example.test')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, '4.7.5')
})

function reported({ policyType, outcome }: StsWorld['results'][number]): Row['report'] {
  const type = policyType === 'sts' ? 'sts' : 'npf'
  if (outcome.kind === 'success') return [type]
  return [
    type,
    ...outcome.details.map(({ resultType, failureReasonCode: code }) =>
      code === undefined ? resultType : `${resultType}: ${code}`,
    ),
  ]
}
