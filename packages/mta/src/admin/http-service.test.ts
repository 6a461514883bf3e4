import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Hono } from 'hono'
import { selfSignedCertificate } from '../submission/self-signed.ts'
import { serveHttp } from './http-service.ts'

test('a client that never ends its request is let go soon after the timeout', { timeout: 10_000 }, async (t) => {
  const place = { kind: 'tcp', address: '127.0.0.1', port: 0 } as const
  const service = await serveHttp(new Hono(), place, { requestTimeoutMs: 100 })
  t.after(() => service.close())
  const client = connect({ port: service.port, host: '127.0.0.1' })
  client.on('error', () => undefined).write('POST /status HTTP/1.1\r\nhost: local')
  await once(client.resume(), 'close')
})

test('with a certificate there is TLS only, and another one counts for connections from then on', async (t) => {
  const [first, second] = [await certificate(t, 'first.example.test'), await certificate(t, 'second.example.test')]
  const app = new Hono().get('/', (context) => context.text('here'))
  const place = { kind: 'tcp', address: '127.0.0.1', port: 0, tls: first } as const
  const service = await serveHttp(app, place)
  t.after(() => service.close())
  assert.match(await shown(service.port, first), /first\.example\.test/)
  service.useTls?.(second)
  assert.match(await shown(service.port, second), /second\.example\.test/)
  const clear = connect({ port: service.port, host: '127.0.0.1' })
  let heard = ''
  clear.setEncoding('latin1').on('error', () => undefined)
  clear.on('data', (text) => {
    heard += text
  })
  clear.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await once(clear, 'close')
  assert.ok(!heard.includes('here'))
})

async function certificate(t: TestContext, hostname: string) {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-http-'))
  t.after(() => rm(directory, { recursive: true }))
  return selfSignedCertificate({ directory, hostname })
}

async function shown(port: number, { cert }: { readonly cert: string }): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: cert, checkServerIdentity: () => undefined })
  await once(socket, 'secureConnect')
  const names = socket.getPeerX509Certificate()?.subjectAltName ?? ''
  socket.destroy()
  return names
}
