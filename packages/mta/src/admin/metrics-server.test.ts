import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { STUCK_MS } from './heartbeat.ts'
import type { HttpService } from './http-service.ts'
import { type MetricsServerOptions, startMetricsServer } from './metrics-server.ts'
import { type Readiness, readiness } from './readiness.ts'

const healthy = { intake: 'open', claims: 'open', detail: '' } as const

async function withServer(
  options: Partial<MetricsServerOptions>,
  use: (get: (path: string, method?: string) => Promise<Response>, service: HttpService) => Promise<void>,
): Promise<void> {
  const service = await startMetricsServer({
    listen: { address: '127.0.0.1', port: 0 },
    scrape: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    readiness: () => ({ ready: true, reasons: [], notes: [] }),
    ...options,
  })
  try {
    await use((path, method = 'GET') => fetch(`http://127.0.0.1:${service.port}${path}`, { method }), service)
  } finally {
    await service.close()
  }
}

describe('the metrics listener', () => {
  test('serves metrics in the format of its content type', async () => {
    await withServer({}, async (get) => {
      const response = await get('/metrics')
      assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4')
      assert.equal(await response.text(), 'up 1\n')
    })
  })

  test('readiness tells every reason', async () => {
    const state: Readiness = { ready: false, reasons: ['no name server answers'], notes: [] }
    await withServer({ readiness: () => state }, async (get) => {
      const response = await get('/readyz')
      assert.equal(response.status, 503)
      assert.deepEqual(await response.json(), state)
    })
  })

  test('health fails when the event loop stood still', async () => {
    let silentMs = 0
    const heartbeat = { silentMs: () => silentMs, stop: () => undefined }
    await withServer({ heartbeat }, async (get) => {
      assert.equal((await get('/healthz')).status, 200)
      silentMs = STUCK_MS
      assert.equal((await get('/healthz')).status, 503)
    })
  })

  test('there is nothing else, and nothing can be ordered', async () => {
    await withServer({}, async (get) => {
      for (const [path, method] of [
        ['/', 'GET'],
        ['/queue/list', 'POST'],
        ['/metrics', 'POST'],
        ['/metrics/../status', 'GET'],
        ['/debug/pprof', 'GET'],
      ] as const) {
        assert.equal((await get(path, method)).status, 404, path)
      }
    })
  })

  test('a header without end is cut off', async () => {
    await withServer({}, async (_get, { port }) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.on('error', () => undefined)
      socket.write(`GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}`)
      const answer = await new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))))
      socket.destroy()
      assert.match(answer, /^HTTP\/1\.1 431 /)
    })
  })

  test("a taken port rejects with the system's code", async () => {
    await withServer({}, async (_get, { port }) => {
      const second = startMetricsServer({
        listen: { address: '127.0.0.1', port },
        scrape: async () => ({ contentType: '', text: '' }),
        readiness: () => ({ ready: true, reasons: [], notes: [] }),
      })
      await assert.rejects(second, { code: 'EADDRINUSE' })
    })
  })
})

const NOT_INSTALLED = [{ candidate: 'private-unbound', problem: { kind: 'not-installed' } }] as const
const lost = (delivery: 'tried' | 'held') => ({ kind: 'lost', because: NOT_INSTALLED, since: 0, delivery }) as const

describe('readiness', () => {
  const running = { phase: 'running', store: healthy, listeners: { wanted: 1, up: 1 }, resolver: 'answers' } as const
  for (const [rule, facts, reasons] of [
    ['everything works', running, []],
    ['no question was asked yet', { ...running, resolver: 'not-asked-yet' }, []],
    ['stopping', { ...running, phase: 'stopping' }, ['the relay is stopping']],
    [
      'a full store',
      { ...running, store: { ...healthy, intake: 'full', detail: '86 %' } },
      ['no mail is accepted: the store is full (86 %)'],
    ],
    [
      'claims stopped',
      { ...running, store: { ...healthy, claims: 'stopped' } },
      ['no mail is delivered: claims are stopped'],
    ],
    ['a listener is missing', { ...running, listeners: { wanted: 2, up: 1 } }, ['1 of 2 listeners are up']],
    ['silent name servers', { ...running, resolver: 'silent' }, ['no name server answers']],
    [
      'validation lost while it ran',
      { ...running, dnssec: lost('tried') },
      ['nobody validates DNSSEC now (unbound is not installed): mail waits unless its answers are secure'],
    ],
    [
      'a start without the validator that was there before',
      { ...running, dnssec: lost('held') },
      ['no mail is delivered: DANE is on, and nobody validates DNSSEC (unbound is not installed)'],
    ],
    ['validation', { ...running, dnssec: { kind: 'validating', by: 'private-unbound' } }, []],
  ] as const) {
    test(rule, () => assert.deepEqual(readiness(facts), { ready: reasons.length === 0, reasons, notes: [] }))
  }

  for (const [rule, dnssec, note] of [
    [
      'a first start without a validator is ready, and says that DANE is off',
      { kind: 'off', because: { kind: 'no-validator', problems: NOT_INSTALLED } },
      'DANE is off until the next start: nobody validates DNSSEC (unbound is not installed)',
    ],
    [
      'a resolver that is believed because it is here is told of',
      { kind: 'validating', by: 'loopback-resolver' },
      'DNSSEC is validated by the resolver on this machine, which is believed because it is here',
    ],
  ] as const) {
    test(rule, () => assert.deepEqual(readiness({ ...running, dnssec }), { ready: true, reasons: [], notes: [note] }))
  }

  test('policies that cannot be read are told, and keep no other mail away', () => {
    const notes = ['mail that needs a cached policy waits: policy.db: the file is damaged']
    assert.deepEqual(readiness({ ...running, policyCache: notes[0] }), { ready: true, reasons: [], notes })
  })

  test('what the operator has switched off needs no note', () => {
    const dnssec = { kind: 'off', because: { kind: 'disabled' } } as const
    assert.deepEqual(readiness({ ...running, dnssec }), { ready: true, reasons: [], notes: [] })
  })
})
