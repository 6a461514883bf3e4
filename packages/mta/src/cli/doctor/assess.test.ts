import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assess } from './assess.ts'
import type { DoctorFacts } from './facts.ts'
import type { Grade } from './finding.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2027, 0, 1)

const healthy: DoctorFacts = {
  node: '26.12.1',
  ownName: {
    kind: 'name',
    name: 'relay.example.com',
    addresses: { kind: 'found', values: ['192.0.2.1'] },
    reverse: [{ address: '192.0.2.1', names: { kind: 'found', values: ['relay.example.com'] } }],
  },
  resolver: {
    kind: 'asked',
    servers: ['192.0.2.53'],
    question: 'MX example.com',
    answer: { kind: 'answered' },
    durationMs: 12,
  },
  dnssec: { kind: 'decided', state: { kind: 'validating', by: 'configured' }, wouldHold: true },
  smarthosts: [],
  port: {
    kind: 'tried',
    domain: 'example.com',
    port: 25,
    tries: [
      {
        host: 'mx.example.com',
        address: '192.0.2.25',
        outcome: { kind: 'greeted', line: '220 mx.example.com ESMTP' },
        durationMs: 40,
      },
    ],
  },
  clock: {
    now: NOW,
    releasedAt: NOW - 30 * DAY,
    newestFile: { path: 'spool.db', changedAt: NOW - DAY },
    jumpMs: 0.2,
    watchedMs: 300,
  },
  ...{ redis: undefined, bucket: undefined },
  disk: { kind: 'measured', path: '/var/lib/hermetic', freeBytes: 1e12, queueMaxBytes: 1e10, fsyncMs: [0.3, 0.5, 4] },
  files: [{ kind: 'there', what: 'data_dir', path: '/var/lib/hermetic/', mode: 0o40700, uid: 7, ourUid: 7 }],
  certificates: [
    {
      file: 'cert.pem',
      listener: '0.0.0.0 port 587',
      notBefore: NOW - DAY,
      notAfter: NOW + 60 * DAY,
      namesUs: true,
      hostname: 'relay.example.com',
    },
  ],
  relay: { kind: 'running', pid: 7, ready: true, reasons: [], notes: [] },
}

test('when all is well, every check says so and nothing is to do', () => {
  for (const { check, grade, advice } of assess(healthy)) {
    assert.equal(grade, 'ok', check)
    assert.equal(advice, undefined, check)
  }
})

const [certificate] = healthy.certificates
const [file] = healthy.files
assert.ok(certificate !== undefined && file?.kind === 'there')
const ownName = healthy.ownName
const port = healthy.port
const resolver = healthy.resolver
assert.ok(
  ownName.kind === 'name' && port.kind === 'tried' && resolver.kind === 'asked' && healthy.disk.kind === 'measured',
)
const [tried] = port.tries
assert.ok(tried !== undefined)
const disk = healthy.disk

describe('each trouble is told by its own check', () => {
  const rows: readonly (readonly [
    rule: string,
    change: Partial<DoctorFacts>,
    check: string,
    grade: Grade,
    found: RegExp,
  ])[] = [
    ['Node.js without the fixes', { node: '26.10.0' }, 'Node.js', 'warn', /^26\.10\.0 lacks fixes/],
    ['a literal', { ownName: { kind: 'literal', text: '[192.0.2.1]' } }, 'own name', 'warn', /address literal/],
    [
      'a name without an address',
      { ownName: { ...ownName, addresses: { kind: 'absent' }, reverse: [] } },
      'own name',
      'fail',
      /has no address in DNS/,
    ],
    [
      'a name that could not be asked',
      { ownName: { ...ownName, addresses: { kind: 'failed', detail: 'SERVFAIL' }, reverse: [] } },
      'own name',
      'not-tried',
      /SERVFAIL/,
    ],
    [
      'an address without a name',
      { ownName: { ...ownName, reverse: [{ address: '192.0.2.1', names: { kind: 'absent' } }] } },
      'reverse name',
      'fail',
      /192\.0\.2\.1 has no name/,
    ],
    [
      'an address with another name',
      {
        ownName: {
          ...ownName,
          reverse: [{ address: '192.0.2.1', names: { kind: 'found', values: ['host-1.isp.example'] } }],
        },
      },
      'reverse name',
      'warn',
      /is host-1\.isp\.example, not relay/,
    ],
    [
      'no name servers',
      { resolver: { kind: 'no-servers', detail: '/etc/resolv.conf names no server' } },
      'resolver',
      'fail',
      /names no server/,
    ],
    [
      'silent name servers',
      { resolver: { ...resolver, answer: { kind: 'failed', detail: 'no answer in time' } } },
      'resolver',
      'fail',
      /did not answer/,
    ],
    ['slow name servers', { resolver: { ...resolver, durationMs: 5_000 } }, 'resolver', 'warn', /5000 ms/],
    ['port 25 was not asked for', { port: { kind: 'not-asked' } }, 'port 25', 'not-tried', /no connection was tried/],
    [
      'port 25 without DNS',
      { port: { kind: 'no-host', domain: 'example.com', detail: 'no answer in time' } },
      'port 25',
      'not-tried',
      /no server of example\.com is known/,
    ],
    [
      'a blocked port 25',
      { port: { ...port, tries: [{ ...tried, outcome: { kind: 'failed', code: 'ETIMEDOUT' } }] } },
      'port 25',
      'fail',
      /could not be reached \(ETIMEDOUT\)/,
    ],
    [
      'servers in private networks',
      { port: { ...port, tries: [{ ...tried, outcome: { kind: 'refused-by-guard', reason: 'private' } }] } },
      'port 25',
      'fail',
      /was not dialled/,
    ],
    [
      'a clock before the release',
      { clock: { ...healthy.clock, now: 0 } },
      'clock',
      'fail',
      /1970-01-01T00:00:00Z, before/,
    ],
    [
      'a clock behind its own files',
      { clock: { ...healthy.clock, newestFile: { path: 'spool.db', changedAt: NOW + DAY } } },
      'clock',
      'fail',
      /spool\.db was changed 1d later/,
    ],
    ['a clock that jumps', { clock: { ...healthy.clock, jumpMs: -5_000 } }, 'clock', 'warn', /jumped by -5000 ms/],
    [
      'an unusable data_dir',
      { disk: { kind: 'not-measured', path: '/x', detail: 'permission denied' } },
      'disk',
      'fail',
      /permission denied/,
    ],
    [
      'a disk smaller than the queue',
      { disk: { ...disk, freeBytes: 1e9 } },
      'disk space',
      'warn',
      /less than queue\.max_bytes/,
    ],
    ['a slow disk', { disk: { ...disk, fsyncMs: [100, 200, 300] } }, 'fsync', 'warn', /200\.00 ms at the middle/],
    ['a disk that lies', { disk: { ...disk, fsyncMs: [0.001, 0.002, 0.003] } }, 'fsync', 'warn', /0\.00 ms/],
    ['a directory that others read', { files: [{ ...file, mode: 0o40755 }] }, 'file mode', 'warn', /mode 0755/],
    ['a foreign directory', { files: [{ ...file, ourUid: 8 }] }, 'file mode', 'warn', /belongs to uid 7/],
    [
      'a missing key',
      { files: [{ kind: 'unreadable', what: 'private key', path: 'k.pem', detail: 'no such file' }] },
      'file mode',
      'fail',
      /private key k\.pem/,
    ],
    [
      'a certificate that has ended',
      { certificates: [{ ...certificate, notAfter: NOW - 2 * DAY }] },
      'certificate',
      'fail',
      /ended 2d ago/,
    ],
    [
      'a certificate that ends soon',
      { certificates: [{ ...certificate, notAfter: NOW + 5 * DAY }] },
      'certificate',
      'warn',
      /ends in 5 days/,
    ],
    [
      'a certificate of tomorrow',
      { certificates: [{ ...certificate, notBefore: NOW + DAY }] },
      'certificate',
      'fail',
      /not valid yet/,
    ],
    [
      'a certificate for somebody else',
      { certificates: [{ ...certificate, namesUs: false }] },
      'certificate',
      'warn',
      /does not name relay/,
    ],
    ['no relay', { relay: { kind: 'not-running' } }, 'relay', 'not-tried', /no relay runs/],
    [
      'a relay that is not ready',
      { relay: { kind: 'running', pid: 7, ready: false, reasons: ['a', 'b'], notes: [] } },
      'relay',
      'fail',
      /not ready: a; b/,
    ],
    [
      'a relay that works, and has something to tell',
      { relay: { kind: 'running', pid: 7, ready: true, reasons: [], notes: ['policy.db: the file is damaged'] } },
      'relay',
      'warn',
      /ready; policy\.db: the file is damaged/,
    ],
    [
      'a relay that cannot be asked',
      { relay: { kind: 'unreachable', detail: 'permission denied' } },
      'relay',
      'fail',
      /permission denied/,
    ],
  ]
  for (const [rule, change, check, grade, found] of rows) {
    test(rule, () => {
      const findings = assess({ ...healthy, ...change }).filter((finding) => finding.check === check)
      const [finding, ...others] = findings
      assert.equal(others.length, 0)
      assert.equal(finding?.grade, grade)
      assert.match(finding?.found ?? '', found)
    })
  }
})
