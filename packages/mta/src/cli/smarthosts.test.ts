/** What the command line says of `[[route]]`: `check-config` what is written, `doctor` whether it works. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import type { ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { addressBlock, type HostOptions, labAuthority, startHost } from '../../../../test/lab/world-host.ts'
import type { Finding } from './doctor/finding.ts'
import { TerminalLab } from './terminal-lab.ts'

const SMART = 'smart.test'
const CREDENTIALS = { username: 'shop', password: 'very secret' }

test('check-config lists where mail is routed, with the name that logs in and without its password', async () => {
  using lab = new TerminalLab()
  lab.file(
    'hermetic.toml',
    `[[route]]
domain = "*.example.com"
host = "${SMART}"
username = "shop"
password = "very secret"
[[route]]
domain = "*"
host = "[192.0.2.1]"
port = 2525
tls = "opportunistic"
`,
  )
  const { out } = await lab.run('check-config')
  assert.match(out, /^ {2}routes +\*\.example\.com to smart\.test port 587: starttls, login shop$/m)
  assert.match(out, /^ {2}routes +\* to \[192\.0\.2\.1\] port 2525: opportunistic, no login$/m)
  const json = (await lab.run('check-config', '--json')).out
  assert.doesNotMatch(json, /very secret/)
  const { route } = JSON.parse(json)
  assert.deepEqual(
    { domain: route[0].domain, host: route[0].host, password: route[0].password },
    { domain: '*.example.com', host: SMART, password: '[redacted]' },
  )
})

async function examined(host: HostOptions, tls: string): Promise<{ readonly found: Finding; readonly mx: ScriptedMx }> {
  using lab = new TerminalLab()
  const ca = await labAuthority()
  const mx = await startHost({ name: SMART, host, address: addressBlock()(), port: undefined, ca })
  const dns = await startDnsServer({ zones: [zone({ [SMART]: { A: [mx.address] } })] })
  lab.file('roots.pem', ca.certificate)
  lab.file(
    'hermetic.toml',
    `hostname = "relay.example.test"
[dns]
servers = ["${dns.address}:${dns.port}"]
[dane]
enabled = false
[trust]
ca_file = "roots.pem"
[[route]]
domain = "*"
host = "${SMART}"
port = ${mx.port}
tls = "${tls}"
username = "shop"
password = "very secret"
`,
  )
  mkdirSync(join(lab.directory, 'data'), { mode: 0o700 })
  try {
    const { out } = await lab.run('doctor', '--json', '--to', 'example.test')
    const findings: readonly Finding[] = JSON.parse(out)
    const found = findings.find(({ check }) => check === 'smarthost')
    assert.ok(found !== undefined)
    const port = findings.find(({ check }) => check === 'port 25')
    assert.match(port?.found ?? '', /^mail for example\.test takes route:shop@smart\.test:\d+$/)
    return { found, mx }
  } finally {
    await dns.close()
    await mx.stop()
  }
}

for (const [tls, access] of [
  ['starttls', {}],
  ['implicit', { implicitTls: true }],
] as const) {
  test(`doctor greets a smarthost and lets it prove its name, without a login, tls = ${tls}`, async () => {
    const { found, mx } = await examined({ credentials: CREDENTIALS, ...access }, tls)
    assert.equal(found.grade, 'ok', found.found)
    assert.match(
      found.found,
      /^route:shop@smart\.test:\d+ greeted at 127\.[\d.]+ over TLSv1\.3, its name is proven; the login was not tried$/,
    )
    assert.deepEqual(mx.connection.commands.at(-1), 'QUIT')
    assert.ok(mx.connection.commands.every((line) => !line.startsWith('AUTH')))
  })
}

test('doctor fails when the smarthost cannot prove its name', async () => {
  const { found } = await examined({ tls: 'wrong-name' }, 'starttls')
  assert.equal(found.grade, 'fail')
  assert.match(found.found, /tls-policy: smart\.test: .*certificate-name-mismatch/)
})
