import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { PolicyType } from './counted-session.ts'
import { REPORT_OCTETS_MAX, type ReadReport, readReport } from './read-report.ts'
import { anySession, DAY, RECIPIENT, SUBMITTER } from './report.fixture.ts'
import { renderReport, tlsReport } from './report.ts'
import { reportMessage } from './report-message.ts'
import { RESULT_TYPES, type ResultType } from './result-type.ts'
import { parseRua } from './rua.ts'
import { mergeTallies, sessionTally } from './tally.ts'

const REPORTER = { organizationName: 'Sender', contactInfo: 'tlsrpt@sender.example' }
const SUBJECT = { policyDomain: RECIPIENT, day: DAY, reportId: 'r1@sender.example' }
const BYTES = renderReport(tlsReport(REPORTER, SUBJECT, { policies: [], otherPolicies: {} }))

function read(bytes: Uint8Array | string): ReadReport {
  const report = readReport(Buffer.from(bytes as string))
  assert.ok(report.ok, JSON.stringify(report))
  return report.value
}
const problem = (bytes: Uint8Array | string) => {
  const report = readReport(Buffer.from(bytes as string))
  return report.ok ? 'none' : report.error.kind
}

interface Wrapped {
  readonly type?: string
  readonly part?: string
  readonly encoding?: string
  readonly body?: string
}

function mail({ type, part = 'application/tlsrpt+json', encoding = '7bit', body = BYTES.toString() }: Wrapped): string {
  const whole = type ?? 'multipart/report; report-type=tlsrpt'
  return [
    ...['From: a@x.example', `Content-Type: ${whole};`, ' boundary="b b"', '', 'preamble', '--b b'],
    ...['Content-Type: text/plain', '', 'Hello', '--b b', `Content-Type: ${part}`],
    ...[`Content-Transfer-Encoding: ${encoding}`, '', body, '--b b--', 'epilogue', ''],
  ].join('\r\n')
}

describe('what is read', () => {
  test('JSON, compressed JSON and compressed twice, with a byte-order mark or without', () => {
    for (const bytes of [
      BYTES,
      gzipSync(BYTES),
      gzipSync(gzipSync(BYTES)),
      Buffer.concat([Buffer.from('\ufeff \n'), BYTES]),
    ]) {
      assert.equal(read(bytes).reportId, 'r1@sender.example')
    }
  })

  test('every report that we send, as the mail that we send', () => {
    const target = parseRua('mailto:tls@rcpt.example')
    assert.ok(target.ok && target.value.kind === 'mailto')
    const to = target.value
    fc.assert(
      fc.property(fc.array(anySession, { maxLength: 20 }), (sessions) => {
        const report = tlsReport(REPORTER, SUBJECT, mergeTallies(sessions.map(sessionTally)))
        const compressed = gzipSync(renderReport(report))
        const names = { policyDomain: RECIPIENT, submitter: SUBMITTER, fileName: 'x.json.gz' }
        const { bytes } = reportMessage({ ...names, report, compressed, target: to, madeAt: 0 })
        const { findings, policies } = read(bytes)
        assert.deepEqual(findings, [])
        assert.deepEqual(
          policies.map(({ failures }) => failures.map(({ sessions: count }) => count)),
          report.policies.map((one) => one['failure-details'].map((failure) => failure['failed-session-count'])),
        )
      }),
      { numRuns: 40 },
    )
  })

  test('a mail in other shapes: bare line feeds, transfer encodings, a list around it', () => {
    const base64 = Buffer.from(gzipSync(BYTES)).toString('base64')
    const quoted = Buffer.from(BYTES).toString().replaceAll('=', '=3D').replaceAll('"', '=22').replaceAll('{', '{=\r\n')
    const inner = mail({}).replaceAll('b b', 'inner')
    for (const text of [
      mail({}).replaceAll('\r\n', '\n'),
      mail({ part: 'application/tlsrpt+gzip', encoding: 'BASE64', body: base64 }),
      mail({ encoding: 'quoted-printable', body: quoted }),
      mail({ type: 'Multipart/Report; Report-Type="TLSRPT"', part: 'Application/TLSRPT; name=x' }),
      `Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n${inner}\r\n--o\r\n\r\nfooter\r\n--o--`,
    ]) {
      assert.equal(read(text).reportId, 'r1@sender.example', text)
    }
  })

  for (const part of ['application/gzip', 'application/x-gzip', 'application/octet-stream']) {
    test(`an attachment called ${part}, where the mail says that it is a report, and nowhere else`, () => {
      const body = gzipSync(BYTES).toString('base64')
      const wrapped = { part, encoding: 'base64', body }
      assert.deepEqual(readReport(Buffer.from(mail(wrapped))), readReport(BYTES))
      assert.equal(problem(mail({ ...wrapped, type: 'multipart/mixed' })), 'no-report')
    })
  }

  test('what deviates is told with its place, and the rest is understood', () => {
    const report = read(
      JSON.stringify({
        ...{ 'organization-name': 7, 'contact-info': null, 'report-id': 'x' },
        'date-range': { 'start-datetime': '2023-01-10T00:00:00', 'end-datetime': '2023-01-10T23:59:59Z' },
        policies: {
          policy: {
            'policy-type': 'sts',
            'policy-string': [],
            'policy-domain': 'x.example',
            'mx-host': 'mx.x.example',
          },
          summary: { 'total-successful-session-count': '5' },
          'failure-details': [],
        },
      }),
    )
    assert.equal(report.organizationName, undefined)
    const [policy] = report.policies
    assert.deepEqual(policy?.mxHost, ['mx.x.example'])
    assert.deepEqual([policy?.successfulSessions, policy?.failedSessions], [5, 0])
    const places = report.findings.map(({ path, kind }) => `${path}: ${kind}`)
    assert.deepEqual(places, [
      ...['organization-name: not-a-string', 'date-range.start-datetime: malformed', 'contact-info: null'],
      'policies: not-an-array',
    ])
  })
})

describe('what is refused, and why', () => {
  for (const [what, bytes, kind] of [
    ['nothing', '', 'no-report'],
    ['a text', 'Dear postmaster,\n\nall is well.\n', 'no-report'],
    ['a mail without a report', 'From: a@x.example\r\n\r\nHello', 'no-report'],
    ['half a report', BYTES.subarray(0, 40), 'malformed-json'],
    ['a list', '[]', 'other-json'],
    ['some other object', '{"a": 1}', 'other-json'],
    ['half a compressed report', gzipSync(BYTES).subarray(0, 60), 'damaged-compression'],
    ['what unpacks to more than a memory', gzipSync(gzipSync(Buffer.alloc(70 * 1024 * 1024))), 'too-large'],
    ['what is too large to begin with', Buffer.alloc(REPORT_OCTETS_MAX + 1), 'too-large'],
    [
      'a quoted string without an end',
      mail({ type: `multipart/report; report-type=tlsrpt; x="${'\\"'.repeat(9999)}` }),
      'no-report',
    ],
    ['a boundary of nothing', mail({ type: 'multipart/report; report-type=tlsrpt; boundary=""; x' }), 'none'],
  ] as const) {
    test(what, () => assert.equal(problem(bytes), kind))
  }

  for (const [what, text] of [
    ['arrays in arrays without end', '['.repeat(1_000_000)],
    ['objects in objects without end', '{"policies":'.repeat(100_000)],
    ['depth behind a string with brackets and quotes in it', `{"policies":"\\"[[]]","a":${'['.repeat(40)}`],
    ['more values than any report', `{"policies":[${'0,'.repeat(2_100_000)}0]}`],
    ['the same compressed to nothing', gzipSync(`{"policies":[${'{},'.repeat(1_500_000)}0]}`, { level: 9 })],
  ] as const) {
    test(`${what}: too complex, and nothing of it is built`, () => assert.equal(problem(text), 'too-complex'))
  }

  test('brackets in texts are text', () => {
    const text = BYTES.toString().replace('"Sender"', JSON.stringify(`${'['.repeat(100)}"\\`))
    assert.equal(read(text).organizationName, `${'['.repeat(100)}"\\`)
  })

  test('a thousand multiparts in one another', () => {
    const deep = Array.from(
      { length: 1000 },
      (_, at) => `Content-Type: multipart/mixed; boundary=${at}\r\n\r\n--${at}\r\n`,
    )
    assert.equal(problem(deep.join('')), 'no-report')
  })
})

test('no bytes make the reader throw, JSON of whatever shape included', () => {
  const member = fc.constantFrom(
    'policies',
    'policy',
    'summary',
    'failure-details',
    'date-range',
    'report-id',
    '__proto__',
  )
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.boolean()),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(member, tie('json')),
    ),
  }))
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.uint8Array().map((tail) => Buffer.concat([Buffer.of(0x1f, 0x8b), tail])),
    json.map((value) => Buffer.from(JSON.stringify({ 'report-id': 1, ...(Object(value) as object) }))),
    fc.string({ unit: 'binary' }).map((body) => Buffer.from(mail({ body }))),
    fc.string().map((type) => Buffer.from(mail({ type }))),
  )
  fc.assert(
    fc.property(bytes, (one) => {
      const report = readReport(one)
      assert.ok(!report.ok || Array.isArray(report.value.policies))
    }),
    { numRuns: 300 },
  )
})

const VECTORS = new URL('../../../../shared/vectors/tlsrpt_report.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly kind: string
  readonly report?: object
  readonly part?: { readonly content_type: string }
  readonly headers?: Readonly<Record<string, string>>
  readonly summary?: unknown
  readonly expected?: unknown
  readonly events?: readonly AggregationEvent[]
}

interface AggregationEvent {
  readonly policy: PolicyType
  readonly fail?: ResultType
}

const STRUCTURES: Readonly<Record<string, string>> = {
  'rptmime-013': mail({}),
  'rptmime-014': `Content-Type: application/tlsrpt+json\r\n\r\n${BYTES.toString()}`,
  'rptmime-015': mail({ type: 'multipart/related' }),
  'rptmime-016': mail({ part: 'application/json' }),
}

const NO_URI = 'policies[0].failure-details[1].additional-information malformed'
/** Where the sources see no fault and RFC 8460 §4.4 does; a URI is one by RFC 3986, a time by RFC 3339 §5.6. */
const FINDINGS: Readonly<Record<string, readonly string[]>> = {
  'rptreport-001': [NO_URI],
  'rptreport-002': [NO_URI],
  'rptreport-004': [
    'policies[0].policy.policy-domain missing',
    'policies[0].summary.total-failure-session-count missing',
    'policies[1].policy.policy-type unknown-word',
    'policies[1].policy.policy-domain missing',
    'policies[1].summary.total-failure-session-count missing',
  ],
  // Erratum 6241.
  'rptreport-007': ['policies[0].policy.mx-host not-an-array'],
  'rptreport-009': ['date-range.start-datetime malformed', 'date-range.end-datetime malformed'],
  'rptreport-010': [NO_URI],
}

/** Kinds of cases that are about something else, and where that is decided. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  classification: 'packages/policy: session-result.ts and mta-sts/fetch-error.ts, by Table A; a TLSA mismatch by D-5',
  generate: 'above: every report that we send is read again',
  'normalize-domain': 'packages/policy: domain-name.ts; a name that is none is refused instead of kept',
}

function summaryOf({ organizationName, reportId, start, end, policies }: ReadReport): unknown {
  return {
    ...{ organization: organizationName, report_id: reportId, start, end },
    policies: policies.map(({ policyType, policyDomain, successfulSessions, failedSessions, failures }) => ({
      ...{ type: policyType, domain: policyDomain ?? null, ok: successfulSessions, failed: failedSessions },
      failure_details: failures.map(({ resultType, sessions }) => [resultType, sessions]),
    })),
  }
}

test('reports of other implementations are read as they read them, and what is odd about them is told', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  assert.equal(cases.length, 40)
  const found: Record<string, readonly string[]> = {}
  for (const { id, report, part, headers, summary } of cases) {
    if (report === undefined) continue
    const json = JSON.stringify(report)
    const type = headers?.['Content-Type']?.split(';', 1)[0]
    const body = Buffer.from(part?.content_type.endsWith('gzip') ? gzipSync(json) : json).toString('base64')
    const sent = mail({
      type: `${type}; report-type="tlsrpt"`,
      part: part?.content_type ?? '',
      encoding: 'base64',
      body,
    })
    const told = read(part === undefined ? json : sent)
    assert.deepEqual(summaryOf(told), summary, id)
    if (told.findings.length > 0) found[id] = [...new Set(told.findings.map(({ path, kind }) => `${path} ${kind}`))]
  }
  assert.deepEqual(found, FINDINGS)
  const structures = cases.filter(({ kind }) => kind === 'mime-structure')
  assert.deepEqual(
    Object.fromEntries(structures.map(({ id }) => [id, problem(STRUCTURES[id] ?? '')])),
    Object.fromEntries(structures.map(({ id, expected }) => [id, expected === 'report' ? 'none' : 'no-report'])),
  )
  const types = cases.find(({ id }) => id === 'rptclass-029')?.expected as { readonly result_types: readonly string[] }
  assert.deepEqual(RESULT_TYPES.toSorted(), types.result_types.toSorted())
  const aggregations = cases.filter(({ kind }) => kind === 'aggregation')
  for (const { id, events = [], expected } of aggregations) assert.deepEqual(aggregated(events), expected, id)
  const readHere = new Set(['report', 'email', 'mime-structure', 'aggregation'])
  const others = new Set(cases.map(({ kind }) => kind).filter((kind) => !readHere.has(kind)))
  assert.deepEqual(others, new Set(Object.keys(ELSEWHERE)))
})

/** The events of a case, tallied, in the words of the case. */
function aggregated(events: readonly AggregationEvent[]): unknown {
  const { policies } = mergeTallies(
    events.map(({ policy: policyType, fail }) =>
      sessionTally({
        policy: { policyType, policyDomain: RECIPIENT, policyString: [], mxHost: [] },
        failures: fail === undefined ? [] : [{ resultType: fail }],
      }),
    ),
  )
  const sums = policies.map(({ policy: { policyType }, successfulSessions: ok, failedSessions: failed, failures }) => {
    const details = policyType === 'sts' ? { details: failures.length } : {}
    return [policyType.replace('-policy-', '_policy_'), { ok, failed, ...details }] as const
  })
  return { policies: policies.length, ...Object.fromEntries(sums) }
}
