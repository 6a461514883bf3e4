import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DnsServer, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import type { Finding } from './doctor/finding.ts'
import { TerminalLab } from './terminal-lab.ts'

interface World {
  readonly lab: TerminalLab
  readonly dns: DnsServer
  readonly mx: ScriptedMx
  /** Runs doctor and answers its exit code and its findings by check. */
  examine(...args: readonly string[]): Promise<{ readonly code: number; readonly found: ReadonlyMap<string, Finding> }>
}

/** A machine whose names are in order, and a domain whose server greets. */
async function withWorld(
  use: (world: World) => Promise<void>,
  { settings = '', trust = 'none' }: { readonly settings?: string; readonly trust?: 'ad' | 'none' } = {},
): Promise<void> {
  using lab = new TerminalLab()
  await using mx = await ScriptedMx.start()
  const dns = await startDnsServer({
    zones: [
      zone({
        'relay.example.test': { A: ['192.0.2.1'] },
        '1.2.0.192.in-addr.arpa': { PTR: ['relay.example.test'] },
        'example.test': { MX: [[10, 'mx.example.test']] },
        'mx.example.test': { A: [mx.address] },
      }),
    ],
  })
  lab.file(
    'hermetic.toml',
    `hostname = "relay.example.test"
${settings}
[dns]
servers = ["${dns.address}:${dns.port}"]
trust = "${trust}"
[delivery]
port = ${mx.port}
[egress]
smtp_networks = ["127.0.0.0/8"]
`,
  )
  mkdirSync(join(lab.directory, 'data'), { mode: 0o700 })
  try {
    await use({
      lab,
      dns,
      mx,
      examine: async (...args) => {
        const { code, out } = await lab.run('doctor', '--json', '--to', 'example.test', ...args)
        const findings: readonly Finding[] = JSON.parse(out)
        return { code, found: new Map(findings.map((finding) => [finding.check, finding])) }
      },
    })
  } finally {
    await dns.close()
  }
}

describe('doctor', () => {
  test('finds a machine in order, and quits politely', async () => {
    await withWorld(async ({ examine, mx }) => {
      const { code, found } = await examine()
      assert.equal(code, 0)
      for (const check of ['own name', 'reverse name', 'resolver', `port ${mx.port}`, 'clock', 'file mode']) {
        assert.equal(found.get(check)?.grade, 'ok', `${check}: ${found.get(check)?.found}`)
      }
      assert.equal(found.get('own name')?.found, 'relay.example.test is 192.0.2.1')
      assert.match(
        found.get(`port ${mx.port}`)?.found ?? '',
        /^mx\.example\.test \[127\.0\.0\.1\] greeted after \d+ ms: 220 /,
      )
    })
  })

  test('SMTP-05: a name without an address record fails', async () => {
    covers('SMTP-05', { observe: 'store' })
    await withWorld(async ({ examine, dns }) => {
      dns.serve(zone({ 'relay.example.test': { TXT: ['no address'] } }))
      const { code, found } = await examine()
      assert.equal(code, 1)
      assert.equal(found.get('own name')?.grade, 'fail')
      assert.equal(found.get('own name')?.found, 'relay.example.test has no address in DNS')
    })
  })

  test('an address that is called something else is told', async () => {
    await withWorld(async ({ examine, dns }) => {
      dns.serve(
        zone({
          'relay.example.test': { A: ['192.0.2.1'] },
          '1.2.0.192.in-addr.arpa': { PTR: ['host-1.isp.test'] },
        }),
      )
      const { found } = await examine()
      assert.equal(found.get('reverse name')?.found, '192.0.2.1 is host-1.isp.test, not relay.example.test')
      assert.match(found.get('reverse name')?.advice ?? '', /PTR record to relay\.example\.test/)
    })
  })

  test('without DNS nothing is claimed about names and port 25', async () => {
    await withWorld(async ({ examine, dns }) => {
      for (const name of ['example.test', 'relay.example.test']) dns.fail(name, { kind: 'rcode', rcode: 'SERVFAIL' })
      const { code, found } = await examine()
      assert.equal(code, 1)
      assert.equal(found.get('resolver')?.grade, 'fail')
      assert.equal(found.get('own name')?.grade, 'not-tried')
      assert.equal(found.get('port 25')?.grade, 'not-tried')
    })
  })

  test('a port that nobody listens on fails, with the code of the system', async () => {
    await withWorld(async ({ examine, mx }) => {
      await mx[Symbol.asyncDispose]()
      const { code, found } = await examine()
      assert.equal(code, 1)
      assert.match(found.get(`port ${mx.port}`)?.found ?? '', /could not be reached \(ECONNREFUSED\)/)
    })
  })

  test('what the relay would not dial, doctor does not dial', async () => {
    await withWorld(async ({ lab, dns, mx, examine }) => {
      lab.file(
        'hermetic.toml',
        `hostname = "relay.example.test"\n[dns]\nservers = ["${dns.address}:${dns.port}"]\ntrust = "none"\n[delivery]\nport = ${mx.port}\n`,
      )
      const { found } = await examine()
      assert.match(found.get(`port ${mx.port}`)?.found ?? '', /\[127\.0\.0\.1\] was not dialled \(loopback\)/)
      assert.equal(mx.connections.length, 0)
    })
  })

  test('says who validates DNSSEC, and that DANE is off when nobody does', async () => {
    await withWorld(
      async ({ dns, examine }) => {
        dns.serve(zone({ '.': { SOA: true } }, { secure: true }))
        dns.fail('.', { kind: 'ad', ad: false })
        const without = (await examine()).found.get('DNSSEC')
        assert.equal(without?.grade, 'warn')
        assert.match(without?.found ?? '', /^DANE is off until the next start: .* does not validate: no AD bit/)
        dns.heal('.')
        assert.deepEqual((await examine()).found.get('DNSSEC'), {
          ...{ check: 'DNSSEC', grade: 'ok' },
          found: 'DNSSEC is validated by the name servers, as dns.trust = "ad" says',
        })
      },
      { trust: 'ad' },
    )
  })

  test('its table says what to do, and counts', async () => {
    await withWorld(async ({ lab, dns }) => {
      dns.serve(zone({ 'relay.example.test': { A: ['192.0.2.1'] }, 'iana.org': { MX: [[0, '.']] } }))
      const { code, out } = await lab.run('doctor')
      assert.equal(code, 1)
      assert.match(
        out,
        /^FAIL +reverse name +192\.0\.2\.1 has no name in DNS; .*\n +→ ask whoever gave you 192\.0\.2\.1/m,
      )
      assert.match(out, /^not tried +port 25 +no connection was tried$/m)
      assert.match(out, /^1 failed, \d to look at, 2 not tried\.$/m)
    })
  })
})

test('a relay that does not answer its socket is told, not taken for none', async () => {
  await withWorld(async ({ lab, examine }) => {
    const path = join(lab.directory, 'data', 'admin.sock')
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen({ path }, resolve))
    const { code, found } = await examine()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    assert.equal(code, 1)
    assert.match(found.get('relay')?.found ?? '', /cannot be asked/)
  })
})
