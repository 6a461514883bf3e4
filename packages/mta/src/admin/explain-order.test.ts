/** The order `explain`: what is asked is checked before anything is looked up, and who hangs up is told to the work. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { err } from '@hermetic/policy'
import type { Explain } from '../explain/explainer.ts'
import { connectControl } from './control-client.ts'
import { startControlSocket } from './control-socket.ts'
import { explainOrder, parseDestination } from './explain-order.ts'
import { labQueue } from './queue-lab.ts'

test('a domain, or an address in brackets', () => {
  assert.deepEqual(parseDestination('Example.COM'), { kind: 'name', name: 'example.com' })
  assert.deepEqual(parseDestination('bücher.example'), { kind: 'name', name: 'xn--bcher-kva.example' })
  assert.deepEqual(parseDestination('[192.0.2.1]'), { kind: 'literal', family: 4, address: '192.0.2.1' })
  for (const text of ['', '.', 'a b', '192.0.2.1', '[192.0.2.1', '../etc', 'jane@example.com']) {
    assert.equal(parseDestination(text), undefined, text)
  }
})

const ORDER = explainOrder(async () => err({ kind: 'busy', atOnceMax: 4 }))

for (const [what, body] of [
  ['nothing', undefined],
  ['no destination', { connect: true }],
  ['no decision about connecting', { destination: 'example.com' }],
  ['a word for it', { destination: 'example.com', connect: 'yes' }],
  ['what is no domain', { destination: 'a b', connect: false }],
  ['a very long one', { destination: 'x'.repeat(301), connect: false }],
  ['a field that is not known', { destination: 'example.com', connect: false, as: 'root' }],
] as const) {
  test(`${what} is refused`, () => assert.equal(ORDER.parse(body).ok, false))
}

async function withSocket(explain: Explain, use: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hermetic-explain-'))
  const path = join(directory, 'admin.sock')
  const service = await startControlSocket({
    ...{ path, explain, queue: labQueue([]), emit: () => undefined, queueChanged: () => undefined },
    status: () => Promise.reject(new Error('nobody asks')),
  })
  try {
    await use(path)
  } finally {
    await service.close()
    rmSync(directory, { recursive: true })
  }
}

test('that too many are under way reaches the client as such', () =>
  withSocket(
    async () => err({ kind: 'busy', atOnceMax: 4 }),
    async (path) => {
      const client = await connectControl(path).catch(() => undefined)
      assert.equal(client, undefined, 'this socket has no status')
      const answer = await post(path, { destination: 'example.com', connect: false })
      assert.deepEqual(JSON.parse(answer), { kind: 'busy', atOnceMax: 4 })
    },
  ))

test('a client that hangs up ends the work', async () => {
  const begun = Promise.withResolvers<AbortSignal>()
  const ended = Promise.withResolvers<void>()
  const explain: Explain = (_, signal = new AbortController().signal) => {
    signal.addEventListener('abort', () => ended.resolve())
    begun.resolve(signal)
    return new Promise(() => undefined)
  }
  await withSocket(explain, async (path) => {
    const sent = request({ socketPath: path, path: '/explain', method: 'POST', agent: false })
    sent.on('error', () => undefined)
    sent.end(JSON.stringify({ destination: 'example.com', connect: false }))
    const signal = await begun.promise
    assert.equal(signal.aborted, false)
    sent.destroy()
    await ended.promise
  })
})

function post(socketPath: string, body: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/explain', method: 'POST', agent: false }, (received) => {
      let text = ''
      received.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      received.on('end', () => resolve(text))
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}
