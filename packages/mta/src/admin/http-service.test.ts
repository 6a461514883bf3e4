import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Hono } from 'hono'
import { serveHttp } from './http-service.ts'

test('a client that never ends its request is let go soon after the timeout', { timeout: 10_000 }, async (t) => {
  const place = { kind: 'tcp', address: '127.0.0.1', port: 0 } as const
  const service = await serveHttp(new Hono(), place, { requestTimeoutMs: 100 })
  t.after(() => service.close())
  const client = connect({ port: service.port, host: '127.0.0.1' })
  client.on('error', () => undefined).write('POST /status HTTP/1.1\r\nhost: local')
  await once(client.resume(), 'close')
})
