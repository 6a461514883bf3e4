/**
 * Programs that others wrote as clients of the submission listeners: GNU SASL logs in with SCRAM-SHA-256 and says what it
 * would keep of a secret, swaks speaks the PROXY protocol and writes forged authors, Python sends until its quota is used up,
 * and a renewed certificate is seen by OpenSSL after a signal.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { addCredential, freePort, hermetic, RelayInstance } from './relay-instance.ts'

const NAME = 'relay.hermetic.test'

let dir: string
let relay: RelayInstance
let startTls: number
let proxied: number
const secrets = new Map<string, string>()

async function certificate(): Promise<void> {
  const pair = await selfSigned({ names: [NAME, 'localhost'] })
  await writeFile(join(dir, 'cert.pem'), pair.certificate)
  await writeFile(join(dir, 'key.pem'), pair.key, { mode: 0o600 })
}

before(async () => {
  dir = await mkdtemp(`${tmpdir()}/hermetic-interop-clients-`)
  startTls = await freePort()
  proxied = await freePort()
  await certificate()
  // Nothing is delivered: the name server is not there, and mail waits.
  const settings = `
postmaster = "postmaster@example.test"
[[listener]]
kind = "submission"
port = ${startTls}
cert_file = "cert.pem"
key_file = "key.pem"
[[listener]]
kind = "relay"
port = ${proxied}
tls = "none"
allow_networks = ["192.0.2.0/24"]
proxy_networks = ["127.0.0.1/32"]
[dns]
servers = ["127.0.0.1:9"]
trust = "none"
[metrics]
listen = "127.0.0.1:0"
`
  relay = await RelayInstance.start({ dir, settings, readyPort: startTls })
  for (const [username, ...terms] of [
    ['shop', '--sender', '@shop.example.test'],
    ['batch', '--message-rate', '3/1h'],
  ] as const) {
    secrets.set(username, await addCredential(dir, username, ...terms))
  }
})

after(async () => {
  await relay?.stop()
  await rm(dir, { recursive: true, force: true })
})

function secretOf(username: string): string {
  return secrets.get(username) ?? assert.fail(username)
}

interface Ended {
  readonly code: number
  readonly output: string
}

function run(program: string, args: readonly string[], input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, output: stdout + stderr })
    })
    child.stdin?.end(input)
  })
}

function gsasl(username: string, secret: string): Promise<Ended> {
  return run('gsasl', [
    ...['--smtp', '--starttls', '--no-cb', '--verbose', '--mechanism', 'SCRAM-SHA-256', '--x509-ca-file', ''],
    ...['--hostname', NAME, '--authentication-id', username, '--authorization-id', '', '--password', secret],
    ...['--connect', `127.0.0.1:${startTls}`],
  ])
}

describe('GNU SASL', () => {
  test('logs in with SCRAM-SHA-256, and believes that we know the secret', async () => {
    const { output } = await gsasl('shop', secretOf('shop'))
    assert.match(output, /AUTH SCRAM-SHA-256 PLAIN LOGIN/)
    assert.match(output, /^235 2\.7\.0 /m)
    assert.match(output, /Client authentication finished \(server trusted\)/)
  })

  test('is refused with another secret, and as somebody who is not there', async () => {
    for (const [username, secret] of [
      ['shop', secretOf('batch')],
      ['nobody', secretOf('shop')],
    ] as const) {
      const { output } = await gsasl(username, secret)
      assert.match(output, /^535 5\.7\.8 /m)
      assert.doesNotMatch(output, /server trusted/)
    }
  })

  test('keeps of a secret what we keep of it', async () => {
    const { credentials } = JSON.parse(await readFile(join(dir, 'data', 'credentials.json'), 'utf8'))
    const kept = credentials.find(({ username }: { readonly username: string }) => username === 'shop').secretHash
    const [, iterations = '', salt = '', keys = ''] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$(.+)$/.exec(kept) ?? []
    const made = ['--mkpasswd', '--mechanism', 'SCRAM-SHA-256', '--iteration-count', iterations, '--salt', salt]
    const { output } = await run('gsasl', [...made, '--password', secretOf('shop')])
    assert.equal(output.trim(), `{SCRAM-SHA-256}${iterations},${salt},${keys.replace(':', ',')}`)
  })
})

describe('swaks', () => {
  test('SUB-14: is refused when it writes as somebody else, in the envelope and in From', async () => {
    covers('SUB-14', { observe: 'smtp' })
    const swaks = (from: string, header: string): Promise<Ended> =>
      run('swaks', [
        ...['--server', '127.0.0.1', '--port', String(startTls), '--tls', '--auth', 'PLAIN'],
        ...['--auth-user', 'shop', '--auth-password', secretOf('shop')],
        ...['--from', from, '--h-From', header, '--to', 'bob@example.test', '--hide-all'],
      ])
    assert.equal((await swaks('a@shop.example.test', 'A <a@shop.example.test>')).code, 0)
    assert.notEqual((await swaks('ceo@example.test', 'A <a@shop.example.test>')).code, 0)
    assert.notEqual((await swaks('a@shop.example.test', 'Boss <ceo@example.test>')).code, 0)
  })

  for (const version of [1, 2]) {
    test(`speaks for a client by the PROXY protocol, version ${version}`, async () => {
      const swaks = (source: string): Promise<Ended> =>
        run('swaks', [
          ...['--server', '127.0.0.1', '--port', String(proxied), '--proxy-version', String(version)],
          ...['--proxy-family', version === 1 ? 'TCP4' : 'AF_INET', '--proxy-source', source],
          ...['--proxy-source-port', '1024', '--proxy-dest', '192.0.2.200', '--proxy-dest-port', '25'],
          ...(version === 1 ? [] : ['--proxy-protocol', 'STREAM', '--proxy-command', 'PROXY']),
          ...['--from', 'a@example.test', '--to', 'bob@example.test', '--silent', '1'],
        ])
      const known = await swaks('192.0.2.7')
      assert.equal(known.code, 0, known.output)
      const stranger = await swaks('198.51.100.7')
      assert.match(stranger.output, /554 5\.7\.1 Relay access denied/)
    })
  }
})

const PYTHON = `
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), local_hostname="app.test", timeout=30) as smtp:
    smtp.starttls(context=context)
    smtp.login("batch", sys.argv[2])
    for n in range(5):
        try:
            smtp.sendmail("a@example.test", ["bob@example.test"], "From: a@example.test\\r\\n\\r\\nx\\r\\n")
            print("sent")
        except smtplib.SMTPDataError as error:
            print(error.smtp_code, error.smtp_error.decode())
`

describe('Python', () => {
  test('sends as many as its quota allows, and then hears when to come again', async () => {
    const { output } = await run('python3', ['-c', PYTHON, String(startTls), secretOf('batch')])
    const lines = output.trim().split('\n')
    assert.deepEqual(lines.slice(0, 3), ['sent', 'sent', 'sent'])
    for (const line of lines.slice(3)) {
      assert.match(line, /^450 4\.7\.1 Too many messages from this account, try again in 1[12]\d\d s$/, output)
    }
    assert.equal(lines.length, 5)
  })
})

describe('nodemailer', () => {
  test('logs in beside SCRAM and sends', async () => {
    const transport = createTransport({
      ...{ host: 'localhost', port: startTls, requireTLS: true, tls: { rejectUnauthorized: false } },
      auth: { user: 'shop', pass: secretOf('shop') },
    })
    const sent = await transport.sendMail({
      from: 'a@shop.example.test',
      to: 'bob@example.test',
      subject: 'x',
      text: 'x',
    })
    assert.match(sent.response, /^250 2\.0\.0 Ok: queued as /)
    transport.close()
  })
})

describe('OpenSSL', () => {
  const fingerprint = async (): Promise<string> => {
    const words = ['s_client', '-connect', `127.0.0.1:${startTls}`, '-starttls', 'smtp', '-name', 'openssl.test']
    const { output } = await run('openssl', words, 'QUIT\n')
    const [pem = ''] = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(output) ?? []
    return pem
  }

  test('SUB-10: is not asked for a certificate', async () => {
    covers('SUB-10', { observe: 'smtp' })
    const words = [
      's_client',
      '-connect',
      `127.0.0.1:${startTls}`,
      '-starttls',
      'smtp',
      '-name',
      'openssl.test',
      '-msg',
    ]
    for (const version of ['-tls1_2', '-tls1_3']) {
      const { output } = await run('openssl', [...words, version], 'QUIT\n')
      assert.match(output, /No client certificate CA names sent/)
      assert.match(output, /ServerHello/)
      assert.doesNotMatch(output, /CertificateRequest/)
    }
  })

  test('sees a renewed certificate after SIGHUP, and after hermetic reload', async () => {
    const first = await fingerprint()
    await certificate()
    process.kill(relay.pid ?? assert.fail('no pid'), 'SIGHUP')
    let second = first
    for (const giveUpAt = Date.now() + 10_000; second === first; second = await fingerprint()) {
      assert.ok(Date.now() < giveUpAt, relay.output)
    }
    await certificate()
    assert.match(await hermetic(dir, 'reload'), /Certificates and keys were read again/)
    assert.notEqual(await fingerprint(), second)
  })
})
