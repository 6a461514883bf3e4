/**
 * RFC 8446 §4.4.4: in TLS 1.3 the client is done before the server has judged what it sent. OpenSSL, asked for a certificate
 * that we do not have, says so after our handshake has succeeded.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { ReportWorld, tlsrptRecord } from '../lab/report-world.ts'
import { labAuthority } from '../lab/world-host.ts'

const DOMAIN = 'late.test'
const MX = 'mx.late.test'

test('RPT-43, RPT-56: an alert behind the handshake takes the success back, and what is then tried adds nothing', async (t) => {
  covers(['RPT-43', 'RPT-56'], { observe: 'smtp' })
  await using world = await ReportWorld.start({
    others: { deadHosts: [MX], mx: { [DOMAIN]: [[10, MX]] }, records: tlsrptRecord(DOMAIN) },
  })
  const { records, port } = world.sts.relay
  const address = records[MX]?.A?.[0]
  assert.ok(address !== undefined)
  const mx = await MailHost.start(t, { address, port })
  await world.sts.send(DOMAIN)
  assert.equal(mx.secured, 1)
  assert.equal(mx.messages, 1)
  assert.match(mx.openssl, /peer did not return a certificate/)
  assert.deepEqual(await world.sums(DOMAIN), [
    'no-policy-found: 1 failed (validation-failure: alert-certificate-required)',
  ])
})

/** Takes any mail in clear; behind STARTTLS is `openssl s_server`. */
class MailHost {
  messages = 0
  secured = 0
  openssl = ''
  readonly #tlsPort: number

  static async start(t: TestContext, place: { readonly address: string; readonly port: number }): Promise<MailHost> {
    const tlsPort = await freePort()
    const host = new MailHost(tlsPort)
    const server = createServer((socket) => host.#serve(socket))
    server.listen(place.port, place.address)
    await once(server, 'listening')
    t.after(() => server.close())
    const child = await startOpenssl(t, tlsPort)
    child.stderr?.on('data', (text) => {
      host.openssl += String(text)
    })
    await listening(tlsPort)
    return host
  }

  /** Use `start`. */
  private constructor(tlsPort: number) {
    this.#tlsPort = tlsPort
  }

  #serve(socket: Socket): void {
    socket.on('error', () => undefined)
    socket.write(`220 ${MX} ESMTP\r\n`)
    let inContent = false
    const onData = (bytes: Buffer): void => {
      for (const line of bytes.toString('latin1').split('\r\n').slice(0, -1)) {
        if (inContent) {
          if (line !== '.') continue
          inContent = false
          this.messages += 1
          socket.write('250 2.0.0 taken\r\n')
        } else if (line.startsWith('EHLO')) socket.write(`250-${MX}\r\n250 STARTTLS\r\n`)
        else if (line === 'STARTTLS') {
          socket.off('data', onData)
          this.#secure(socket)
        } else if (line === 'DATA') {
          inContent = true
          socket.write('354 go on\r\n')
        } else socket.write('250 2.0.0 ok\r\n')
      }
    }
    socket.on('data', onData)
  }

  #secure(socket: Socket): void {
    this.secured += 1
    const behind = connect(this.#tlsPort, '127.0.0.1')
    behind.on('error', () => undefined)
    behind.on('connect', () => {
      socket.write('220 2.0.0 go\r\n')
      socket.pipe(behind)
      behind.pipe(socket)
    })
  }
}

async function startOpenssl(t: TestContext, port: number): Promise<ChildProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'late-alert-'))
  const { key, chain } = await (await labAuthority()).issue({ names: [MX] })
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  await Promise.all([writeFile(keyFile, key), writeFile(certFile, chain)])
  const options = [
    '-accept',
    `127.0.0.1:${port}`,
    '-tls1_3',
    '-Verify',
    '1',
    '-key',
    keyFile,
    '-cert',
    certFile,
    '-quiet',
  ]
  const child = spawn('openssl', ['s_server', ...options], { stdio: ['pipe', 'ignore', 'pipe'] })
  t.after(async () => {
    child.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  })
  return child
}

async function freePort(): Promise<number> {
  const server: Server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  server.close()
  await once(server, 'close')
  return address.port
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const socket = connect(port, '127.0.0.1')
    const ready = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (ready) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  assert.fail('openssl s_server does not listen')
}
