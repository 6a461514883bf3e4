import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { type SessionResult, tlsaText } from '@hermetic/policy'
import fc from 'fast-check'
import { covers } from '../../../test/conformance/covers.ts'
import { countedFetchFailure, countedSessions, type SessionSeen } from './counted-session.ts'
import { anySession, DAY, domain, ORIGIN, policy, RECIPIENT } from './report.fixture.ts'
import { MERGED_REASON, renderReport, type TlsReport, tlsReport } from './report.ts'
import { reportFileName, reportIdFor } from './report-name.ts'
import { reportFindings } from './report-schema.ts'
import { sizedReport } from './report-size.ts'
import { RESULT_TYPES } from './result-type.ts'
import { type DomainTally, EMPTY_TALLY, FAILURES_MAX, mergeTallies, sessionTally } from './tally.ts'

const REPORTER = { organizationName: 'Sender Example GmbH', contactInfo: 'tlsrpt@sender.example' }
const SUBJECT = { policyDomain: RECIPIENT, day: DAY, reportId: '20261121.rcpt.example.7f3a@sender.example' }
const MX1 = domain('mx1.rcpt.example')
const TESTING = policy(
  'version: STSv1\r\nmode: testing\nmx: mx1.rcpt.example\nmx: *.backup.example\nx-note: gr\u00fc\u00dfe\nmax_age: 1209600\n',
)
const SUCCESS = { kind: 'success' } as const
const tlsaRecord = (first: number) => ({
  ...{ usage: 3, selector: 1, matchingType: 1 },
  associationData: Uint8Array.of(first, ...Array.from({ length: 31 }, (_, at) => at)),
})

const reportOf = (tally: DomainTally) => tlsReport(REPORTER, SUBJECT, tally)
const seenAs = (...sessions: readonly SessionSeen[]) =>
  reportOf(mergeTallies(sessions.flatMap(countedSessions).map(sessionTally)))
const seen = (results: readonly SessionResult[], more: Partial<SessionSeen> = {}): SessionSeen => ({
  policyDomain: RECIPIENT,
  results,
  sts: TESTING,
  mxHostname: MX1,
  connection: { localAddress: '192.0.2.25', remoteAddress: '203.0.113.9' },
  ...more,
})
const sts = (outcome: SessionResult['outcome']): SessionResult => ({ policyType: 'sts', outcome })
const EXPIRED = sts({ kind: 'failure', details: [{ resultType: 'certificate-expired' }] })
const MISMATCH = sts({
  kind: 'failure',
  details: [{ resultType: 'validation-failure', failureReasonCode: 'sts-mx-mismatch' }],
})
const onlyEntry = ({ policies }: TlsReport) => {
  const [only, ...more] = policies
  assert.ok(only !== undefined && more.length === 0)
  return only
}
const onlyFailure = (report: TlsReport) => {
  const [only, ...more] = onlyEntry(report)['failure-details']
  assert.ok(only !== undefined && more.length === 0)
  return only
}

describe('RFC 8460 §4.4: the report object', () => {
  test('a day with both mechanisms gives the report that the RFC describes', () => {
    const published = [tlsaRecord(0x0d)]
    const tlsa: SessionResult = { policyType: 'tlsa', policyDomain: MX1, published, outcome: SUCCESS }
    const unlisted = seen([MISMATCH], { mxHostname: domain('mx9.rcpt.example') })
    const good = Array.from({ length: 40 }, () => seen([sts(SUCCESS), tlsa]))
    const report = seenAs(...good, seen([EXPIRED, tlsa]), unlisted, seen([EXPIRED, tlsa]))
    assert.deepEqual(JSON.parse(Buffer.from(renderReport(report)).toString()), {
      'organization-name': 'Sender Example GmbH',
      'date-range': { 'start-datetime': '2026-11-21T00:00:00Z', 'end-datetime': '2026-11-21T23:59:59Z' },
      'contact-info': 'tlsrpt@sender.example',
      'report-id': '20261121.rcpt.example.7f3a@sender.example',
      policies: [
        {
          policy: {
            'policy-type': 'sts',
            'policy-string': [
              ...['version: STSv1', 'mode: testing', 'mx: mx1.rcpt.example', 'mx: *.backup.example'],
              ...['x-note: gr\u00fc\u00dfe', 'max_age: 1209600'],
            ],
            'policy-domain': 'rcpt.example',
            'mx-host': ['mx1.rcpt.example', '*.backup.example'],
          },
          summary: { 'total-successful-session-count': 40, 'total-failure-session-count': 3 },
          'failure-details': [
            {
              'result-type': 'certificate-expired',
              'sending-mta-ip': '192.0.2.25',
              'receiving-mx-hostname': 'mx1.rcpt.example',
              'receiving-ip': '203.0.113.9',
              'failed-session-count': 2,
            },
            {
              'result-type': 'validation-failure',
              'receiving-mx-hostname': 'mx9.rcpt.example',
              'failed-session-count': 1,
              'failure-reason-code': 'sts-mx-mismatch',
            },
          ],
        },
        {
          policy: {
            'policy-type': 'tlsa',
            'policy-string': [tlsaText(tlsaRecord(0x0d)).toUpperCase()],
            'policy-domain': 'mx1.rcpt.example',
          },
          summary: { 'total-successful-session-count': 42, 'total-failure-session-count': 0 },
          'failure-details': [],
        },
      ],
    })
  })

  test('RPT-16, RPT-17, RPT-19: organization, range and contact stand in every report, also in an empty one', () => {
    covers(['RPT-16', 'RPT-17', 'RPT-19'], { observe: 'pure' })
    const report = reportOf(EMPTY_TALLY)
    assert.deepEqual(report, {
      'organization-name': 'Sender Example GmbH',
      'date-range': { 'start-datetime': '2026-11-21T00:00:00Z', 'end-datetime': '2026-11-21T23:59:59Z' },
      'contact-info': 'tlsrpt@sender.example',
      'report-id': SUBJECT.reportId,
      policies: [],
    })
    for (const [member, value] of [
      ['organization-name', undefined],
      ['organization-name', ''],
      ['contact-info', null],
      ['contact-info', 'mailto:a@x.example'],
      ['contact-info', 'A <a@x.example>'],
      ['date-range', { 'start-datetime': '2026-11-21T00:00:00', 'end-datetime': '2026-11-21T23:59:59Z' }],
    ] as const) {
      assert.equal(reportFindings({ ...report, [member]: value }).length, 1, `${member}: ${JSON.stringify(value)}`)
    }
  })

  test('RPT-24: the lines of an MTA-STS policy stand as published, each for itself', () => {
    covers('RPT-24', { observe: 'pure' })
    const odd = policy(
      'version:STSv1\nmx: b.example\nextra: yes\nmode: testing\nmx: a.example\nmode: none\nmax_age: 1\n',
    )
    const { policy: told } = onlyEntry(seenAs(seen([sts(SUCCESS)], { sts: odd })))
    assert.deepEqual(told['policy-string'], [
      ...['version:STSv1', 'mx: b.example', 'extra: yes', 'mode: testing', 'mx: a.example', 'mode: none', 'max_age: 1'],
    ])
    assert.deepEqual(told['mx-host'], ['b.example', 'a.example'])
  })

  test('RPT-25: TLSA records stand sorted, one string each, and in another order they are the same policy', () => {
    covers('RPT-25', { observe: 'pure' })
    const unusable = { usage: 1, selector: 0, matchingType: 7, associationData: Uint8Array.of(0xab) }
    const tlsa = (...published: readonly (typeof unusable)[]): SessionResult => ({
      ...{ policyType: 'tlsa', policyDomain: MX1, outcome: SUCCESS },
      published,
    })
    const report = seenAs(seen([tlsa(tlsaRecord(0xab), unusable)]), seen([tlsa(unusable, tlsaRecord(0xab))]))
    const { policy: told, summary } = onlyEntry(report)
    assert.equal(summary['total-successful-session-count'], 2)
    assert.deepEqual(told['policy-string'], ['1 0 7 AB', tlsaText(tlsaRecord(0xab)).toUpperCase()])
    assert.ok(told['policy-string'].every((text) => /^\d+ \d+ \d+ [0-9A-F]+$/.test(text)))
  })

  test('RPT-26: without a policy the policy-string is empty', () => {
    covers('RPT-26', { observe: 'pure' })
    const npf = seenAs(seen([{ policyType: 'no-policy-found', outcome: SUCCESS }], { sts: undefined }))
    assert.deepEqual(onlyEntry(npf).policy, {
      ...{ 'policy-type': 'no-policy-found', 'policy-string': [], 'policy-domain': 'rcpt.example' },
    })
    const report = { resultType: 'sts-policy-fetch-error', failureReasonCode: 'status-404' } as const
    const unknown = countedFetchFailure({ policyDomain: RECIPIENT, report, inForce: undefined })
    assert.deepEqual(onlyEntry(reportOf(sessionTally(unknown))), {
      policy: { 'policy-type': 'sts', 'policy-string': [], 'policy-domain': 'rcpt.example' },
      summary: { 'total-successful-session-count': 0, 'total-failure-session-count': 1 },
      'failure-details': [
        { 'result-type': report.resultType, 'failed-session-count': 1, 'failure-reason-code': 'status-404' },
      ],
    })
    const known = countedFetchFailure({ policyDomain: RECIPIENT, report, inForce: TESTING })
    assert.deepEqual(known.policy.policyString, TESTING.lines)
  })

  test('RPT-27: the policy domain is always there and in A-labels, for DANE the TLSA base domain', () => {
    covers('RPT-27', { observe: 'pure' })
    const idn = domain('b\u00fccher.example')
    const base = domain('target.hosting.example')
    const tlsa: SessionResult = { policyType: 'tlsa', policyDomain: base, published: [tlsaRecord(1)], outcome: SUCCESS }
    const npf: SessionResult = { policyType: 'no-policy-found', outcome: SUCCESS }
    const { policies } = seenAs(seen([sts(SUCCESS), tlsa, npf], { policyDomain: idn }))
    const domains = Object.fromEntries(policies.map(({ policy: one }) => [one['policy-type'], one['policy-domain']]))
    assert.deepEqual(domains, { sts: 'xn--bcher-kva.example', tlsa: base, 'no-policy-found': 'xn--bcher-kva.example' })
  })

  test('RPT-32: addresses are IPv4 or short IPv6, and none without a connection', () => {
    covers('RPT-32', { observe: 'pure' })
    const at = (localAddress: string | undefined, remoteAddress: string) => {
      const failure = onlyFailure(seenAs(seen([EXPIRED], { connection: { localAddress, remoteAddress } })))
      return [failure['sending-mta-ip'], failure['receiving-ip']]
    }
    assert.deepEqual(at('::ffff:192.0.2.25', '2001:0DB8:0:0:0:0:0:1'), ['192.0.2.25', '2001:db8::1'])
    assert.deepEqual(at(undefined, '2001:db8:0:1:0:0:0:0'), [undefined, '2001:db8:0:1::'])
    assert.deepEqual(at('2001:db8:0:1:1:1:1:1', '2001:db8:0:0:1:0:0:1'), ['2001:db8:0:1:1:1:1:1', '2001:db8::1:0:0:1'])
    assert.deepEqual(at('fe80::1%eth0', 'x'), [undefined, undefined])
    const internal = [
      '127.0.0.1',
      '10.1.2.3',
      '192.168.1.1',
      '172.16.0.1',
      '100.64.0.1',
      '::1',
      'fd00::1',
      '::ffff:10.0.0.1',
    ]
    for (const address of internal) assert.deepEqual(at(address, address), [undefined, undefined], address)
    const failure = onlyFailure(seenAs(seen([EXPIRED], { connection: undefined })))
    assert.deepEqual(Object.keys(failure), ['result-type', 'receiving-mx-hostname', 'failed-session-count'])
  })

  test('RPT-33: the host is the one of the MX record, and left out where none is concerned', () => {
    covers('RPT-33', { observe: 'pure' })
    assert.equal(onlyFailure(seenAs(seen([EXPIRED])))['receiving-mx-hostname'], MX1)
    assert.ok(!('receiving-mx-hostname' in onlyFailure(seenAs(seen([EXPIRED], { mxHostname: undefined })))))
  })

  test('RPT-34: what a host calls itself is cut and cleaned', () => {
    covers('RPT-34', { observe: 'pure' })
    const helo = (text: string) => {
      const connection = { remoteAddress: '203.0.113.9', helo: text }
      return onlyFailure(seenAs(seen([EXPIRED], { connection })))['receiving-mx-helo']
    }
    assert.equal(helo('mx1.rcpt.example'), 'mx1.rcpt.example')
    assert.equal(helo('a\r\nb\0\u009b31m \ufffe\ud800'), 'a??b??31m???')
    assert.equal(helo('x'.repeat(10_000))?.length, 255)
    assert.equal(helo(''), undefined)
  })

  test('RPT-36: no URI for more is given, and a wrong one is found', () => {
    covers('RPT-36', { observe: 'pure' })
    const report = seenAs(seen([EXPIRED]))
    assert.ok(!('additional-information' in onlyFailure(report)))
    const spoilt = JSON.parse(JSON.stringify(report)) as {
      policies: { 'failure-details': Record<string, unknown>[] }[]
    }
    const [failure] = spoilt.policies[0]?.['failure-details'] ?? []
    assert.ok(failure !== undefined)
    failure['additional-information'] = 'https://sender.example/why?id=1#x'
    assert.deepEqual(reportFindings(spoilt), [])
    failure['additional-information'] = 'https://sender.example/ why'
    assert.deepEqual(reportFindings(spoilt), [
      { path: 'policies[0].failure-details[0].additional-information', kind: 'malformed' },
    ])
  })

  test('RPT-37: the reason is given, and never longer than 200 characters', () => {
    covers('RPT-37', { observe: 'pure' })
    for (const resultType of ['certificate-not-trusted', 'validation-failure'] as const) {
      const detail = { resultType, failureReasonCode: 'R'.repeat(300) }
      const report = seenAs(seen([sts({ kind: 'failure', details: [detail] })]))
      assert.equal(onlyFailure(report)['failure-reason-code'], 'R'.repeat(200))
    }
  })
})

describe('the schema', () => {
  const ids = 'RPT-15, RPT-21, RPT-22, RPT-23, RPT-28, RPT-29, RPT-30, RPT-31, RPT-35, RPT-38'
  test(`${ids}: holds for every report that sessions can make, however hostile their texts`, () => {
    covers(['RPT-15', 'RPT-21', 'RPT-22', 'RPT-23', 'RPT-28', 'RPT-29', 'RPT-30'], { observe: 'pure' })
    covers(['RPT-31', 'RPT-35', 'RPT-38'], { observe: 'pure' })
    fc.assert(
      fc.property(
        fc.array(anySession, { maxLength: 40 }),
        fc.string({ unit: 'binary', minLength: 1 }),
        (all, organizationName) => {
          const tally = mergeTallies(all.map(sessionTally))
          const report = tlsReport({ ...REPORTER, organizationName }, SUBJECT, tally)
          const bytes = renderReport(report)
          const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
          assert.ok(text.startsWith('{') && !text.includes('null') && !/\p{Noncharacter_Code_Point}/u.test(text))
          const parsed: unknown = JSON.parse(text)
          assert.deepEqual(parsed, report, 'nothing is lost, no name stands twice')
          assert.deepEqual(reportFindings(parsed), [])
          const again = mergeTallies(all.toReversed().map(sessionTally))
          assert.deepEqual(renderReport(tlsReport({ ...REPORTER, organizationName }, SUBJECT, again)), bytes)
        },
      ),
    )
  })

  test('knows all eleven result types and no other', () => {
    assert.equal(RESULT_TYPES.length, 11)
    const report = seenAs(seen([EXPIRED]))
    for (const type of [...RESULT_TYPES, 'Certificate-Expired', 'toString', '']) {
      const spoilt = JSON.parse(JSON.stringify(report).replace('"certificate-expired"', JSON.stringify(type)))
      assert.equal(reportFindings(spoilt).length, RESULT_TYPES.includes(type as never) ? 0 : 1, type)
    }
  })

  test('finds what reports in the field do wrong', () => {
    const report = JSON.parse(JSON.stringify(seenAs(seen([EXPIRED])))) as { policies: Record<string, unknown>[] }
    const [entry] = report.policies
    assert.ok(entry !== undefined)
    const spoilt = (change: (copy: never) => unknown) => {
      const copy = structuredClone(report)
      change(copy as never)
      return reportFindings(copy).map(({ path, kind }) => `${path} ${kind}`)
    }
    type Any = {
      policies: { policy: Record<string, unknown>; summary: Record<string, unknown>; [more: string]: unknown }[]
    }
    const first = (copy: Any) => copy.policies[0] ?? assert.fail()
    const mxHost = 'mx1.rcpt.example'
    assert.deepEqual(
      [
        ...spoilt((copy: Any) => Object.assign(copy, { policies: entry })),
        ...spoilt((copy: Any) => Object.assign(first(copy).policy, { 'mx-host': mxHost })),
        ...spoilt((copy: Any) => Object.assign(first(copy).policy, { 'policy-type': 'dane' })),
        ...spoilt((copy: Any) => delete first(copy).policy['policy-domain']),
        ...spoilt((copy: Any) => Object.assign(first(copy).summary, { 'total-failure-session-count': '1' })),
        ...spoilt((copy: Any) => delete first(copy).summary['total-successful-session-count']),
        ...spoilt((copy: Any) => delete first(copy)['failure-details']),
        ...spoilt((copy: Any) => Object.assign(copy, { 'additional-info-uri': 'https://x.example' })),
      ],
      [
        'policies not-an-array',
        'policies[0].policy.mx-host not-an-array',
        'policies[0].policy.policy-type unknown-word',
        'policies[0].policy.policy-domain missing',
        'policies[0].summary.total-failure-session-count not-a-count',
        'policies[0].summary.total-successful-session-count missing',
        'policies[0].failure-details missing',
        'additional-info-uri unknown-member',
      ],
    )
    for (const value of [undefined, null, [], '', 0]) assert.equal(reportFindings(value).length, 1)
  })
})

describe('RFC 8460 §5.1: what a report is called', () => {
  test('RPT-71, RPT-72: the file name tells submitter, policy domain, range, an id and how it is compressed', () => {
    covers(['RPT-71', 'RPT-72'], { observe: 'pure' })
    const name = reportFileName(ORIGIN, 'json.gz')
    assert.match(name, /^sender\.example!rcpt\.example!1795219200!1795305599![0-9a-z]+\.json\.gz$/)
    assert.equal(reportFileName(ORIGIN, 'json'), name.replace(/\.gz$/, ''))
    assert.match(
      reportFileName({ ...ORIGIN, policyDomain: domain('b\u00fccher.example') }, 'json'),
      /!xn--bcher-kva\.example!/,
    )
  })

  test('the id stays the same for one report and differs from every other', () => {
    assert.match(reportIdFor(ORIGIN), /^20261121\.rcpt\.example\.[0-9a-f]{16}@sender\.example$/)
    assert.equal(reportIdFor(ORIGIN), reportIdFor({ ...ORIGIN }))
    const others = [{ storeId: 'b-store' }, { policyDomain: domain('other.example') }, { submitter: MX1 }]
    const ids = [ORIGIN, ...others.map((one) => ({ ...ORIGIN, ...one }))].map(reportIdFor)
    assert.equal(new Set(ids).size, 4)
  })
})

describe('RFC 8460 §5.2: size', () => {
  const OVERFLOW = { policyType: 'sts', policyDomain: RECIPIENT, mxHost: [] } as const
  const many = mergeTallies(
    Array.from({ length: 5_000 }, (_, at) => {
      const receivingMxHelo = `h${at % (FAILURES_MAX - 1)}.example`
      const failures = [{ resultType: 'validation-failure' as const, receivingMxHelo, failureReasonCode: `r${at % 7}` }]
      const policyString = [`x: ${(at % 50) * 7919}`]
      return sessionTally({
        policy: { ...OVERFLOW, policyString },
        failures,
      })
    }),
  )
  const render = (tally: DomainTally) => renderReport(reportOf(tally))
  const read = (compressed: Uint8Array) => JSON.parse(gunzipSync(compressed).toString()) as TlsReport
  const total = ({ policies }: TlsReport) =>
    policies.reduce((sum, { summary }) => sum + summary['total-failure-session-count'], 0)

  test('RPT-73: reports are compressed, the same one always alike', () => {
    covers('RPT-73', { observe: 'pure' })
    const { compressed, reduced } = sizedReport(many, render)
    assert.deepEqual([...compressed.subarray(0, 2)], [0x1f, 0x8b])
    assert.equal(reduced, 'nothing')
    assert.deepEqual(read(compressed), reportOf(many))
    assert.deepEqual(sizedReport(many, render).compressed, compressed)
  })

  test('RPT-74: one that is too large loses details, the smallest groups first, and no session', () => {
    covers('RPT-74', { observe: 'pure' })
    const sizes = [12_000, 4_000, 1_500, 600, 0].map((octetsMax) => {
      const { compressed, reduced } = sizedReport(many, render, octetsMax)
      const report = read(compressed)
      assert.equal(total(report), 5_000)
      assert.deepEqual(reportFindings(report), [])
      assert.ok(compressed.length <= octetsMax || reduced === 'everything')
      assert.ok(JSON.stringify(report).includes(MERGED_REASON) || reduced === 'nothing')
      return reduced
    })
    assert.deepEqual(sizes, ['failures', 'failures', 'failures', 'policies', 'everything'])
    const often = {
      policy: { ...OVERFLOW, policyString: ['x: 0'] },
      failures: [{ resultType: 'certificate-expired' }],
    } as const
    const withOften = mergeTallies([many, ...Array.from({ length: 100 }, () => sessionTally(often))])
    const { compressed, reduced } = sizedReport(withOften, render, 2_500)
    assert.equal(reduced, 'failures')
    const kept = read(compressed).policies.flatMap(({ 'failure-details': details }) => details)
    assert.ok(kept.some((one) => one['result-type'] === 'certificate-expired' && one['failed-session-count'] === 100))
  })
})
