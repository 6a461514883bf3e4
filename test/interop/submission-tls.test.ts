/**
 * OpenSSL's own client against the submission listener: which versions of TLS it speaks (RFC 8996, RFC 9325 §3.1).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { freePort, RelayInstance } from './relay-instance.ts'

const PATIENCE_MS = 15_000

describe('SUB-02: TLS on the submission listeners', () => {
  let dir: string
  let relay: RelayInstance
  let startTlsPort: number
  let implicitPort: number

  before(async () => {
    dir = await mkdtemp(`${tmpdir()}/hermetic-interop-tls-`)
    startTlsPort = await freePort()
    implicitPort = await freePort()
    const settings = `
[[listener]]
kind = "submission"
port = ${startTlsPort}
[[listener]]
kind = "submission"
port = ${implicitPort}
tls = "implicit"
[dns]
trust = "none"
[metrics]
listen = "127.0.0.1:0"
`
    relay = await RelayInstance.start({ dir, settings, readyPort: startTlsPort })
  })

  after(async () => {
    await relay?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  for (const [title, port] of [
    ['STARTTLS', () => startTlsPort],
    ['implicit TLS', () => implicitPort],
  ] as const) {
    const startTls = title === 'STARTTLS'
    for (const version of ['tls1', 'tls1_1'] as const) {
      it(`${title}: ${version} is refused`, async () => {
        covers('SUB-02', { observe: 'smtp' })
        const { output } = await sClient(port(), { version, startTls })
        assert.doesNotMatch(output, /^250[ -]/m)
        assert.match(output, /Cipher is \(NONE\)|no protocols available|alert protocol version/)
      })
    }
    for (const [version, protocol] of [
      ['tls1_2', 'TLSv1.2'],
      ['tls1_3', 'TLSv1.3'],
    ] as const) {
      it(`${title}: ${protocol} carries a session`, async () => {
        covers('SUB-02', { observe: 'smtp' })
        const { output } = await sClient(port(), { version, startTls })
        assert.match(output, new RegExp(`New, ${protocol.replace('.', '\\.')}, Cipher is (?:TLS_|ECDHE-)`))
        assert.match(output, /^250[ -]AUTH PLAIN/m)
        // s_client shows one line of the session before TLS, at a place of its own choice; ours ends with 221.
        const [session] = /^250-relay\.hermetic\.test[\s\S]*?^221 /m.exec(output) ?? []
        assert.ok(session !== undefined, output)
        assert.doesNotMatch(session, /^250[ -]STARTTLS/m)
      })
    }
  }
})

/** TLS 1.0 and 1.1 need security level 0 at our side, or OpenSSL would refuse itself before the server can. */
async function sClient(
  port: number,
  options: { readonly version: string; readonly startTls: boolean },
): Promise<{ readonly output: string }> {
  const child = spawn(
    'openssl',
    [
      ...['s_client', '-connect', `127.0.0.1:${port}`, `-${options.version}`, '-cipher', 'DEFAULT@SECLEVEL=0', '-crlf'],
      ...['-ign_eof', ...(options.startTls ? ['-starttls', 'smtp', '-name', 'openssl.test'] : [])],
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], timeout: PATIENCE_MS },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1')
    })
  }
  // A refused handshake closes the pipe before our words are read.
  child.stdin.on('error', () => undefined)
  child.stdin.end('EHLO openssl.test\nQUIT\n')
  await once(child, 'close')
  return { output }
}
