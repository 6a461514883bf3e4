import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseDomainName } from '@hermetic/policy'
import { EMPTY_TALLY, openSqliteResultStore, parseUtcDay } from '@hermetic/reporter'
import { type Printed, runHermetic } from '../../../../test/lab/command-lab.ts'
import { startDnsServer, zone } from '../../../../test/lab/dns-server.ts'

const CONTACT = '[tlsrpt]\norganization = "Sender"\ncontact = "tlsrpt@sender.example"\n'
const ON = `${CONTACT}enabled = true\n`

interface Desk {
  readonly file: string
  readonly directory: string
  readonly tlsrpt: (...args: readonly string[]) => Promise<Printed>
}

function desk(t: TestContext, settings: string): Desk {
  const directory = mkdtempSync(join(tmpdir(), 'tlsrpt-cli-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'hermetic.toml')
  writeFileSync(file, settings)
  return { file, directory, tlsrpt: (...args) => runHermetic(file, 'tlsrpt', ...args) }
}

/** What a zone file's line says, its strings put together. */
const textOf = (line: string): string => [...line.matchAll(/"([^"]*)"/g)].map(([, text]) => text).join('')

describe('tlsrpt key', () => {
  test('a key is made once and shown again, with its record, the reason for s=, and the line for the settings', async (t) => {
    const { tlsrpt, directory, file } = desk(t, CONTACT)
    const made = await tlsrpt('key')
    assert.equal(made.code, 0, made.err)
    assert.match(made.out, /^tlsrpt\._domainkey\.sender\.example\. IN TXT \( "v=DKIM1; k=rsa; s=email:tlsrpt; p=MII/)
    assert.match(made.err, /receivers of reports may drop mail whose key is not for tlsrpt/)
    assert.match(made.err, /^selector = "tlsrpt"$/m)
    const path = join(directory, 'data/dkim/tlsrpt._domainkey.sender.example.pem')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    writeFileSync(file, `${ON}selector = "tlsrpt"\n`)
    const again = await tlsrpt('key')
    assert.deepEqual([again.code, again.out], [0, made.out])
    assert.match(again.err, /was there already/)
    assert.doesNotMatch(again.err, /selector =/)
  })

  test('--check compares it with what DNS says, for mail and for reports', async (t) => {
    const { tlsrpt, file } = desk(t, CONTACT)
    assert.match((await tlsrpt('key', '--check')).err, /there is no key in .*; hermetic tlsrpt key makes it/)
    const record = textOf((await tlsrpt('key')).out)
    const dns = await startDnsServer()
    t.after(() => dns.close())
    writeFileSync(file, `${CONTACT}[dns]\nservers = ["${dns.address}:${dns.port}"]\n`)
    for (const [published, code, words] of [
      [record, 0, /^ok {6}tlsrpt\._domainkey\.sender\.example: the record fits the key/],
      [record.replace(' s=email:tlsrpt;', ''), 0, /^ok/],
      [record.replace('email:tlsrpt', 'tlsrpt'), 1, /^problem .* s= leaves out email, so verifiers ignore the key/],
      [record.replace('email:tlsrpt', 'email'), 0, /note: s= leaves out tlsrpt/],
    ] as const) {
      dns.serve(zone({ 'tlsrpt._domainkey.sender.example': { TXT: [published.match(/.{1,255}/g) ?? []], ttl: 0 } }))
      const checked = await tlsrpt('key', '--check')
      assert.equal(checked.code, code, checked.out)
      assert.match(checked.out, words)
    }
  })

  test('without a contact there is no domain to make a key for', async (t) => {
    const { tlsrpt } = desk(t, '')
    const { code, err } = await tlsrpt('key')
    assert.deepEqual([code, /write contact = /.test(err)], [1, true])
  })

  test('a key that the settings name and that is not there is a problem of the settings; what they advise helps', async (t) => {
    const { tlsrpt } = desk(t, `${ON}selector = "other"\n`)
    const { code, err } = await tlsrpt('pending')
    assert.equal(code, 78)
    assert.match(err, /or make one: hermetic tlsrpt key other/)
    assert.equal((await tlsrpt('key', 'other')).code, 0)
    assert.equal((await tlsrpt('pending')).code, 0)
  })
})

describe('tlsrpt run and pending', () => {
  test('only a relay sends; nothing was counted where none ran', async (t) => {
    const { tlsrpt } = desk(t, ON)
    for (const more of [[], ['--dry-run']]) {
      const { code, err } = await tlsrpt('run', ...more)
      assert.deepEqual([code, /no relay runs, and only a relay sends reports/.test(err)], [1, true])
    }
    assert.match((await tlsrpt('pending')).err, /Nothing was counted here/)
  })

  test('a report that was set aside as damaged is listed, with why and what to do', async (t) => {
    const { tlsrpt, directory } = desk(t, ON)
    const dataDir = join(directory, 'data')
    const [day, name] = [parseUtcDay('2026-11-21'), parseDomainName('a.example')]
    assert.ok(day !== undefined && name.ok)
    const store = openSqliteResultStore({ dataDir, now: Date.now })
    assert.ok(store.ok)
    await store.value.addBatch('1', [{ day, policyDomain: name.value, tally: EMPTY_TALLY }])
    await store.value.closeDay(day, () => 1)
    store.value.close()
    const db = new DatabaseSync(join(dataDir, 'tlsrpt.db'))
    db.exec("UPDATE report SET tally = '{'")
    db.close()
    const again = openSqliteResultStore({ dataDir, now: Date.now })
    assert.ok(again.ok)
    assert.equal((await again.value.claimReport(2, 1))?.kind, 'damaged')
    again.value.close()
    const { out, err } = await tlsrpt('pending')
    assert.match(out, /^2026-11-21 +a\.example +set aside +never +its sums cannot be read$/m)
    assert.match(err, /1 report of these set aside: .*never sent.*nothing has to be done/)
    assert.deepEqual(JSON.parse((await tlsrpt('pending', '--json')).out).setAside, true)
  })

  for (const words of [['pending'], ['show', 'a.example', 'today'], ['run', '--dry-run']]) {
    test(`a tlsrpt.db that is damaged is told as that, no defect of ours: ${words[0]}`, async (t) => {
      const { tlsrpt, directory } = desk(t, ON)
      const dataDir = join(directory, 'data')
      const store = openSqliteResultStore({ dataDir, now: Date.now })
      assert.ok(store.ok)
      store.value.close()
      const path = join(dataDir, 'tlsrpt.db')
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.fill(0x41, 4096))
      const { code, err } = await tlsrpt(...words)
      assert.equal(code, 1)
      assert.match(err, /the results for reports cannot be read now: .*the file is damaged$/m)
      assert.doesNotMatch(err, /defect/)
    })
  }

  test('with reports off there is nothing to run', async (t) => {
    const { tlsrpt } = desk(t, CONTACT)
    assert.match((await tlsrpt('run')).err, /reports are off; \[tlsrpt\] enabled = true/)
  })

  for (const words of [['run', '--day', 'yesterday'], ['run', '--day', '2999-01-01'], ['runs'], [], ['run', 'x']]) {
    test(`not understood: ${words.join(' ')}`, async (t) => {
      assert.equal((await desk(t, ON).tlsrpt(...words)).code, 2)
    })
  }
})

const REPORT = {
  'organization-name': 'Their Org\u001b[31m',
  'date-range': { 'start-datetime': '2026-11-21T00:00:00Z', 'end-datetime': '2026-11-21T23:59:59Z' },
  'contact-info': 'tls@their.example',
  'report-id': 'r1@their.example',
  policies: [
    {
      policy: {
        ...{ 'policy-type': 'sts', 'policy-domain': 'our.example', 'mx-host': '*.our.example' },
        'policy-string': ['version: STSv1', 'mode: enforce'],
      },
      summary: { 'total-successful-session-count': 12, 'total-failure-session-count': 3 },
      'failure-details': [
        { 'result-type': 'certificate-expired', 'receiving-ip': '192.0.2.1', 'failed-session-count': 3 },
      ],
    },
  ],
}

describe('tlsrpt read', () => {
  let json: string
  beforeEach(() => {
    json = JSON.stringify(REPORT)
  })

  test('a report as tables: what was good, what failed and why, and what departs from the RFC', async (t) => {
    const { tlsrpt, directory } = desk(t, '')
    writeFileSync(join(directory, 'r.json.gz'), gzipSync(json))
    const { code, out, err } = await tlsrpt('read', join(directory, 'r.json.gz'))
    assert.deepEqual([code, err], [0, ''])
    assert.match(out, /^From {6}Their Org\?\[31m$/m)
    assert.match(out, /^sts our\.example: 12 good, 3 failed$/m)
    assert.match(out, /^ {4}mode: enforce$/m)
    assert.match(out, /3 +certificate-expired +192\.0\.2\.1/)
    assert.match(out, /not-an-array +policies\[0\]\.policy\.mx-host/)
  })

  test('--json tells the same to programs', async (t) => {
    const { tlsrpt, directory } = desk(t, '')
    writeFileSync(join(directory, 'r.json'), json)
    const { out } = await tlsrpt('read', '--json', join(directory, 'r.json'))
    assert.equal(JSON.parse(out).policies[0].failedSessions, 3)
  })

  for (const [what, bytes, words] of [
    ['nothing', '', 'is neither JSON nor a mail'],
    ['another JSON', '{"a":1}', 'is JSON, and no TLS report'],
    ['half a gzip', gzipSync('x'.repeat(1000)).subarray(0, 20), 'is compressed, and damaged'],
    ['a bomb', gzipSync(gzipSync(Buffer.alloc(70 * 1024 * 1024))), 'is larger than 64 MiB'],
    ['depth', `{"policies":${'['.repeat(50)}`, 'nests too deep'],
    ['a flood', `{"policies":[${'0,'.repeat(2_100_000)}0]}`, 'too many values'],
  ] as const) {
    test(`${what} is refused with its reason, and the next file is read`, async (t) => {
      const { tlsrpt, directory } = desk(t, '')
      writeFileSync(join(directory, 'bad'), bytes)
      writeFileSync(join(directory, 'good.json'), json)
      const { code, out, err } = await tlsrpt('read', join(directory, 'bad'), join(directory, 'good.json'))
      assert.equal(code, 1)
      assert.ok(err.includes(words), err)
      assert.match(out, /Their Org/)
    })
  }
})
