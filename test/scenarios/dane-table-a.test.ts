/** Conformance, Table A, groups 1, 1b, 2, 4 and 5 through the running delivery: one test for each row. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseDomainName, type RequiredDemand } from '@hermetic/policy'
import type { DeliveryOptions } from '../../packages/mta/src/delivery/delivery.ts'
import { type DaneWorldOptions, DOMAIN, MX, startDaneWorld } from '../lab/dane-world.ts'
import type { PolicyOptions, StsWorld } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const NAMED: PolicyOptions = { mode: 'enforce', mx: ['*.example.test'] }
const UNNAMED: PolicyOptions = { mode: 'enforce', mx: ['other.test'] }
const testing = (policy: PolicyOptions): PolicyOptions => ({ ...policy, mode: 'testing' })

const NO_STARTTLS: HostOptions = { tls: 'none' }
const REFUSED: HostOptions = { script: { STARTTLS: '454 4.7.0 not now' } }
const BROKEN: HostOptions = { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } }

interface Row extends DaneWorldOptions {
  readonly row: string
  /** The level of a delivery, or that the message waits: the host was asked, or not even contacted. */
  readonly end: string | 'waits' | 'not contacted'
  readonly report: readonly string[]
}

const NO_MATCH = 'tlsa:F(certificate-not-trusted: dane-no-matching-tlsa)'
const UNTRUSTED = 'certificate-not-trusted: DEPTH_ZERO_SELF_SIGNED_CERT'
const MISMATCH = 'sts:F(validation-failure: sts-mx-mismatch)'
const NOT_OFFERED = 'starttls-not-supported'
const GARBAGE = 'validation-failure: not-tls'

const GROUP_1: readonly Row[] = [
  { row: '1', host: NO_STARTTLS, end: 'waits', report: [`tlsa:F(${NOT_OFFERED})`] },
  { row: '1, refused', host: REFUSED, end: 'waits', report: [`tlsa:F(${NOT_OFFERED}: 454)`] },
  { row: '2', end: 'dane', report: ['tlsa:S'] },
  { row: '2, self-signed', certificate: 'self-signed', end: 'dane', report: ['tlsa:S'] },
  { row: '2, DANE-TA', certificate: 'ta-good', end: 'dane', report: ['tlsa:S'] },
  { row: '3', tlsa: 'other', end: 'waits', report: [NO_MATCH] },
  { row: '3, DANE-TA, expired', certificate: 'ta-expired', end: 'waits', report: ['tlsa:F(certificate-expired)'] },
  {
    row: '3, DANE-TA, not yet valid',
    certificate: 'ta-not-yet-valid',
    end: 'waits',
    report: ['tlsa:F(certificate-not-trusted: certificate-not-yet-valid)'],
  },
  {
    row: '3, DANE-TA, another name',
    certificate: 'ta-other-name',
    end: 'waits',
    report: ['tlsa:F(certificate-host-mismatch)'],
  },
  { row: '4', host: BROKEN, end: 'waits', report: [`tlsa:F(${GARBAGE})`] },
  {
    row: '5',
    policy: testing(NAMED),
    certificate: 'self-signed',
    end: 'dane',
    report: ['tlsa:S', `sts:F(${UNTRUSTED})`],
  },
  { row: '6', policy: testing(UNNAMED), end: 'dane', report: ['tlsa:S', MISMATCH] },
  { row: '7', policy: testing(NAMED), tlsa: 'other', end: 'waits', report: [NO_MATCH, 'sts:S'] },
  { row: '8', policy: UNNAMED, end: 'not contacted', report: [MISMATCH] },
  {
    row: '9',
    policy: NAMED,
    host: NO_STARTTLS,
    end: 'waits',
    report: [`tlsa:F(${NOT_OFFERED})`, `sts:F(${NOT_OFFERED})`],
  },
  {
    row: '9, testing',
    policy: testing(NAMED),
    host: NO_STARTTLS,
    end: 'waits',
    report: [`tlsa:F(${NOT_OFFERED})`, `sts:F(${NOT_OFFERED})`],
  },
  { row: '10', policy: NAMED, end: 'dane+sts', report: ['tlsa:S', 'sts:S'] },
  { row: '10, testing', policy: testing(NAMED), end: 'dane+sts', report: ['tlsa:S', 'sts:S'] },
  { row: '11', policy: NAMED, certificate: 'self-signed', end: 'waits', report: ['tlsa:S', `sts:F(${UNTRUSTED})`] },
  { row: '12', policy: NAMED, tlsa: 'other', end: 'waits', report: [NO_MATCH, 'sts:S'] },
  {
    row: '13',
    policy: NAMED,
    certificate: 'self-signed',
    tlsa: 'other',
    end: 'waits',
    report: [NO_MATCH, `sts:F(${UNTRUSTED})`],
  },
  { row: '14', policy: NAMED, host: BROKEN, end: 'waits', report: [`tlsa:F(${GARBAGE})`, `sts:F(${GARBAGE})`] },
  {
    row: '14, testing',
    policy: testing(NAMED),
    host: BROKEN,
    end: 'waits',
    report: [`tlsa:F(${GARBAGE})`, `sts:F(${GARBAGE})`],
  },
]

const half = { insecureMx: true } as const
const GROUP_1B: readonly Row[] = [
  { row: '1b-1', ...half, end: 'dane-insecure-mx', report: ['tlsa:S'] },
  { row: '1b-2', ...half, tlsa: 'other', end: 'waits', report: [NO_MATCH] },
  { row: '1b-2, no STARTTLS', ...half, host: NO_STARTTLS, end: 'waits', report: [`tlsa:F(${NOT_OFFERED})`] },
  { row: '1b-3', ...half, policy: NAMED, end: 'dane-insecure-mx+sts', report: ['tlsa:S', 'sts:S'] },
  { row: '1b-3, not named', ...half, policy: UNNAMED, end: 'not contacted', report: [MISMATCH] },
  { row: '1b-4', ...half, tlsa: 'unusable', end: 'encrypted', report: ['tlsa:F(tlsa-invalid)'] },
  {
    row: '1b-5',
    ...half,
    tlsa: 'fails',
    end: 'not contacted',
    report: ['tlsa:F(dnssec-invalid: tlsa-lookup-failed)'],
  },
  { row: '1b-6', ...half, tlsa: 'none', end: 'encrypted', report: ['npf:S'] },
  { row: '1b, ignored', ...half, insecureMxOption: 'ignore', tlsa: 'other', end: 'encrypted', report: ['npf:S'] },
]

const unusable = { tlsa: 'unusable' } as const
const GROUP_2: readonly Row[] = [
  { row: '15', ...unusable, host: NO_STARTTLS, end: 'waits', report: [`tlsa:F(tlsa-invalid, ${NOT_OFFERED})`] },
  { row: '16', ...unusable, certificate: 'self-signed', end: 'encrypted', report: ['tlsa:F(tlsa-invalid)'] },
  { row: '17', ...unusable, host: BROKEN, end: 'waits', report: [`tlsa:F(tlsa-invalid, ${GARBAGE})`] },
  { row: '18', ...unusable, policy: testing(NAMED), end: 'sts', report: ['tlsa:F(tlsa-invalid)', 'sts:S'] },
  {
    row: '18, PKIX not ok',
    ...unusable,
    policy: testing(NAMED),
    certificate: 'self-signed',
    end: 'encrypted',
    report: ['tlsa:F(tlsa-invalid)', `sts:F(${UNTRUSTED})`],
  },
  {
    row: '19',
    ...unusable,
    policy: testing(NAMED),
    host: NO_STARTTLS,
    end: 'waits',
    report: [`tlsa:F(tlsa-invalid, ${NOT_OFFERED})`, `sts:F(${NOT_OFFERED})`],
  },
  { row: '20', ...unusable, policy: UNNAMED, end: 'not contacted', report: [MISMATCH] },
  { row: '21', ...unusable, policy: NAMED, end: 'sts', report: ['tlsa:F(tlsa-invalid)', 'sts:S'] },
  {
    row: '22',
    ...unusable,
    policy: NAMED,
    certificate: 'self-signed',
    end: 'waits',
    report: ['tlsa:F(tlsa-invalid)', `sts:F(${UNTRUSTED})`],
  },
]

const FAILED = 'tlsa:F(dnssec-invalid: tlsa-lookup-failed)'
const required = (demand: RequiredDemand): Pick<Row, 'delivery'> => ({ delivery: overridden(demand) })
const GROUPS_4_AND_5: readonly Row[] = [
  { row: '36', tlsa: 'fails', end: 'not contacted', report: [FAILED] },
  { row: '36, enforce', tlsa: 'fails', policy: NAMED, end: 'not contacted', report: [FAILED] },
  { row: '36, not named', tlsa: 'fails', policy: UNNAMED, end: 'not contacted', report: [MISMATCH, FAILED] },
  { row: '37', ...required('dane'), tlsa: 'none', end: 'not contacted', report: ['tlsa:F(dane-required)'] },
  {
    row: '37, unsigned',
    ...required('dane'),
    tlsa: 'unsigned',
    end: 'not contacted',
    report: ['tlsa:F(dane-required)'],
  },
  { row: '37, insecure MX', ...required('dane'), ...half, end: 'not contacted', report: ['tlsa:F(dane-required)'] },
  { row: '38', ...required('dane'), tlsa: 'unusable', end: 'not contacted', report: ['tlsa:F(tlsa-invalid)'] },
  { row: '39', ...required('dane'), end: 'dane', report: ['tlsa:S'] },
  { row: '39, no match', ...required('dane'), tlsa: 'other', end: 'waits', report: [NO_MATCH] },
]

function overridden(demand: RequiredDemand): Partial<DeliveryOptions> {
  const domain = parseDomainName(DOMAIN)
  assert.ok(domain.ok)
  return { overrides: [{ kind: 'require', domain: domain.value, demand }] }
}

const TABLE = { '1': GROUP_1, '1b': GROUP_1B, '2': GROUP_2, '4 and 5': GROUPS_4_AND_5 }

for (const [group, rows] of Object.entries(TABLE)) {
  describe(`Table A, group ${group}`, () => {
    for (const row of rows) test(`row ${row.row}: ${row.end}`, () => check(row))
  })
}

async function check({ end, report, ...options }: Row): Promise<void> {
  await using world = await startDaneWorld(options)
  const id = await world.send(DOMAIN)
  const { connections, messages } = world.relay.mx(MX)
  assert.deepEqual(reported(world), report)
  if (end === 'waits' || end === 'not contacted') {
    assert.equal(connections.length > 0, end === 'waits')
    for (const { commands } of connections) assert.ok(!commands.some((line) => line.startsWith('MAIL')))
    const { lastOutcome } = await world.relay.recipient(id, `bob@${DOMAIN}`)
    const expected = report.join().includes(NOT_OFFERED) ? '4.7.10' : '4.7.5'
    assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, expected)
    return
  }
  assert.deepEqual(
    messages.map(({ inTls }) => inTls),
    [true],
  )
  assert.deepEqual(world.relay.eventsOf('attempt-finished')[0]?.verdict, { kind: 'proven', level: end })
}

function reported({ results }: StsWorld): readonly string[] {
  return results.map(({ policyType, outcome }) => {
    const type = policyType === 'no-policy-found' ? 'npf' : policyType
    if (outcome.kind === 'success') return `${type}:S`
    const details = outcome.details.map(({ resultType, failureReasonCode: code }) =>
      code === undefined ? resultType : `${resultType}: ${code}`,
    )
    return `${type}:F(${details.join(', ')})`
  })
}
