/**
 * From the programs that people use to the mail exchanger that most of them run: swaks and Python's smtplib submit
 * with STARTTLS and a login, the relay looks up the MX record and delivers to Postfix over TLS.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { createAuthority } from '../lab/ca.ts'
import { type DnsServer, startDnsServer, zone } from '../lab/dns-server.ts'
import { PostfixMx } from './postfix-mx.ts'
import { addCredential, freePort, RelayInstance } from './relay-instance.ts'

const run = promisify(execFile)
const SCRIPTS = new URL('./', import.meta.url).pathname
const ALICE = 'alice@destination.test'
const BOB = 'bob@destination.test'
const SENDER = 'app@origin.test'
const BODY_LINES = [
  'First line.',
  '.',
  '..two dots',
  'Grüße aus Köln, 8-bit.',
  '  indented',
  '',
  'x'.repeat(900),
  'Last line.',
]

describe('delivery to a real Postfix', () => {
  let dir: string
  let postfix: PostfixMx
  let dns: DnsServer
  let relay: RelayInstance
  let login: Login

  before(async () => {
    assert.equal(process.getuid?.(), 0, 'Postfix needs root to run: start test:interop as root')
    dir = await mkdtemp(`${tmpdir()}/hermetic-interop-`)
    await chmod(dir, 0o755)
    const authority = await createAuthority()
    const mxPort = await freePort()
    postfix = await PostfixMx.start({
      dir: `${dir}/postfix`,
      port: mxPort,
      certificate: await authority.issue({ names: ['mx.destination.test'] }),
      mailboxes: [ALICE, BOB, SENDER],
    })
    dns = await startDnsServer({
      zones: [
        zone({
          'destination.test': { MX: [[10, 'mx.destination.test']] },
          'origin.test': { MX: [[10, 'mx.destination.test']] },
          'mx.destination.test': { A: ['127.0.0.1'] },
        }),
      ],
    })
    const port = await freePort()
    const caFile = `${dir}/ca.pem`
    await writeFile(caFile, authority.certificate)
    const submission = await authority.issue({ names: ['relay.hermetic.test'], addresses: ['127.0.0.1'] })
    await writeFile(`${dir}/relay-cert.pem`, submission.chain)
    await writeFile(`${dir}/relay-key.pem`, submission.key, { mode: 0o600 })
    const settings = relaySettings({ dir, listen: port, dns: dns.port, mx: mxPort })
    relay = await RelayInstance.start({ dir: `${dir}/relay`, settings, readyPort: port })
    login = { port, caFile, username: 'app', secret: await addCredential(`${dir}/relay`, 'app') }
  })

  after(async () => {
    await relay?.stop()
    await dns?.close()
    await postfix?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  it('carries a message of swaks over TLS, its content unchanged', async () => {
    await run('swaks', [
      ...['--server', '127.0.0.1', '--port', String(login.port)],
      ...['--tls', '--tls-verify', '--tls-ca-path', login.caFile],
      ...['--auth', 'PLAIN', '--auth-user', login.username, '--auth-password', login.secret],
      ...['--from', SENDER, '--to', ALICE, '--h-Subject', 'from swaks', '--body', 'A body.\nOf two lines.\n'],
    ]).catch(explained)
    const message = await postfix.nextMessage(ALICE)
    assert.match(message, /^Subject: from swaks$/m)
    assert.equal(bodyOf(message).trimEnd(), 'A body.\nOf two lines.')
    assertCameOverTls(message, await postfix.log())
  })

  it("carries a message of Python's smtplib over TLS, its content unchanged", async () => {
    const content = contentOf({ to: BOB, subject: 'from smtplib', lines: BODY_LINES })
    await submitWithPython(login, { to: BOB, content })
    const message = await postfix.nextMessage(BOB)
    assert.equal(bodyOf(message), `${BODY_LINES.join('\n')}\n`)
    for (const field of headerOf(content)) assert.ok(message.includes(`\n${field}\n`), `missing: ${field}`)
    assertCameOverTls(message, await postfix.log())
  })

  it("returns a message for an unknown mailbox as a notification that Python's parser understands", async () => {
    const unknown = 'nobody-here@destination.test'
    await submitWithPython(login, {
      to: unknown,
      content: contentOf({ to: unknown, subject: 'to nobody', lines: ['Hello?'] }),
    })
    const notification = await postfix.nextMessage(SENDER)
    const file = `${dir}/notification.eml`
    await writeFile(file, notification)
    const { stdout } = await run('python3', [`${SCRIPTS}read-dsn.py`, file])
    const dsn: unknown = JSON.parse(stdout)
    assertMatches(dsn, {
      returnPath: '<>',
      contentType: 'multipart/report',
      reportType: 'delivery-status',
      parts: ['text/plain', 'message/delivery-status', 'text/rfc822-headers|message/rfc822'],
      reportingMta: 'dns; relay.hermetic.test',
      finalRecipient: `rfc822; ${unknown}`,
      action: 'failed',
      status: '5.1.1',
      remoteMta: 'dns; mx.destination.test',
      diagnosticType: 'smtp',
      returnedSubject: 'to nobody',
      defects: 0,
    })
  })
})

interface Login {
  readonly port: number
  readonly caFile: string
  readonly username: string
  readonly secret: string
}

async function submitWithPython(
  login: Login,
  { to, content }: { readonly to: string; readonly content: string },
): Promise<void> {
  const submitting = run('python3', [
    `${SCRIPTS}submit.py`,
    ...[String(login.port), login.caFile, login.username, login.secret, SENDER, to],
  ])
  submitting.child.stdin?.end(content)
  await submitting.catch(explained)
}

function explained(error: unknown): never {
  const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string }
  throw new Error(`${String(error)}\n${stdout}\n${stderr}`)
}

function contentOf(message: {
  readonly to: string
  readonly subject: string
  readonly lines: readonly string[]
}): string {
  return [
    `From: The App <${SENDER}>`,
    `To: <${message.to}>`,
    `Subject: ${message.subject}`,
    'Date: Mon, 02 Nov 2026 10:00:00 +0000',
    `Message-ID: <${message.subject.replaceAll(' ', '.')}@origin.test>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    ...message.lines,
    '',
  ].join('\r\n')
}

function headerOf(content: string): readonly string[] {
  return content.slice(0, content.indexOf('\r\n\r\n')).split('\r\n')
}

function bodyOf(message: string): string {
  return message.slice(message.indexOf('\n\n') + 2)
}

/** RFC 3848: ESMTPS; and the session as Postfix logs it. */
function assertCameOverTls(message: string, log: string): void {
  assert.match(message, /^Received: from relay\.hermetic\.test .*\n\t\(using TLSv1\.3 with cipher [^\n]+/m)
  assert.match(message, /by postfix\.hermetic\.test \(Postfix\) with ESMTPS id/)
  assert.match(log, /Anonymous TLS connection established from [^\n]*TLSv1\.3/)
}

/** Each text of the pattern may name alternatives with `|`. */
function assertMatches(actual: unknown, expected: Readonly<Record<string, string | number | readonly string[]>>): void {
  assert.ok(typeof actual === 'object' && actual !== null)
  const found = new Map<string, unknown>(Object.entries(actual))
  const one = (value: unknown, wanted: string | number): boolean => String(wanted).split('|').includes(String(value))
  for (const [name, wanted] of Object.entries(expected)) {
    const value = found.get(name)
    const right =
      typeof wanted === 'object'
        ? Array.isArray(value) &&
          value.length === wanted.length &&
          wanted.every((text, index) => one(value[index], text))
        : one(value, wanted)
    assert.ok(right, `${name} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}; ${JSON.stringify(actual)}`)
  }
}

function relaySettings(of: {
  readonly dir: string
  readonly listen: number
  readonly dns: number
  readonly mx: number
}): string {
  return `
[[listener]]
kind = "submission"
address = "127.0.0.1"
port = ${of.listen}
tls = "starttls"
cert_file = "${of.dir}/relay-cert.pem"
key_file = "${of.dir}/relay-key.pem"
[dns]
servers = ["127.0.0.1:${of.dns}"]
trust = "none"
[delivery]
port = ${of.mx}
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
}
