/** `threads = 2`: two workers listen on one port and deliver, and the mail of a relay is the same as with one. */
import assert from 'node:assert/strict'
import { appendFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { KillableThread } from '../../packages/mta/src/threads/thread.ts'
import { runHermetic } from '../lab/command-lab.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay, type WholeRelayOptions } from '../lab/whole-relay.ts'

const MX = 'mx.example.test'
const MESSAGES = 40
/** So many that both threads get some of them. */
const SESSIONS = 12
/** Above what the queue keeps in its database. */
const LARGE_OCTETS = 400 * 1024

test('mail that comes in over one port is taken and delivered by both threads', async () => {
  await using mx = await ScriptedMx.start()
  await using relay = await threaded(mx)
  const subjects = Array.from({ length: MESSAGES }, (_, n) => n)
  await Promise.all(subjects.map((n) => submit(relay, `Subject: ${n}\r\n\r\nhello ${n}`)))
  await mx.received(MESSAGES)
  await relay.until(() => relay.eventsOf('message-settled').length === MESSAGES)
  assert.deepEqual(
    relay.eventsOf('threads-started').map(({ threads }) => threads),
    [2],
  )
  assert.equal(relay.eventsOf('listening').length, 1)
  assert.equal(relay.eventsOf('message-accepted').length, MESSAGES)
})

test('a content that is kept in a file crosses threads by its file', async () => {
  await using mx = await ScriptedMx.start()
  await using relay = await threaded(mx)
  const line = `${'x'.repeat(70)}\r\n`
  await submit(relay, `Subject: large\r\n\r\n${line.repeat(LARGE_OCTETS / line.length)}`)
  await mx.received(1)
  await relay.until(() => relay.eventsOf('message-settled').length === 1)
})

test('a thread that dies takes nothing with it: what it was delivering goes on, and another takes its place', async () => {
  await using mx = await ScriptedMx.start({
    script: { DATA: ({ connection }) => (connection === 1 ? { silent: true } : undefined) },
  })
  const threads: KillableThread[] = []
  await using relay = await threaded(mx, { onThread: (thread) => void threads.push(thread) })
  await submit(relay, 'Subject: one\r\n\r\nhello')
  await mx.seen('DATA')
  for (const thread of threads) thread.kill()
  await mx.received(1)
  await relay.until(() => relay.eventsOf('thread-replaced').length === 2)
  await relay.until(() => relay.eventsOf('message-settled').length === 1)
  assert.deepEqual(new Set(relay.eventsOf('thread-died').map(({ messages }) => messages)), new Set([0, 1]))
  const numbers = await metrics(relay)
  assert.match(numbers, /^hermetic_thread_deaths_total 2$/m)
  assert.match(numbers, /^hermetic_threads\{state="up"\} 2$/m)
  assert.match(numbers, /^hermetic_thread_lag_seconds\{thread="1",quantile="0.99"\} /m)
  await submit(relay, 'Subject: two\r\n\r\nhello')
  await mx.received(2)
})

test('a message that was there when a thread died twice is delivered alone, in a process of its own', async () => {
  await using mx = await ScriptedMx.start({
    script: { DATA: ({ connection }) => (connection <= 2 ? { silent: true } : undefined) },
  })
  const threads: KillableThread[] = []
  await using relay = await threaded(mx, { onThread: (thread) => void threads.push(thread) })
  await submit(relay, 'Subject: one\r\n\r\nhello')
  for (const deaths of [1, 2]) {
    await mx.seen('DATA', deaths)
    for (const thread of threads.splice(0)) thread.kill()
    await relay.until(() =>
      relay
        .eventsOf('thread-died')
        .some((event) => event.messages === 1 && relay.eventsOf('thread-died').length >= deaths * 2),
    )
  }
  await mx.received(1)
  await relay.until(() => relay.eventsOf('suspect-tried').length === 1)
  assert.equal(relay.eventsOf('suspect-tried')[0]?.end, 'ended')
  assert.equal(mx.messages.length, 1)
})

test('a stop waits for what is behind its final dot in any thread, and gives the rest back uncharged', async () => {
  await using mx = await ScriptedMx.start({
    script: { DOT: { reply: '250 2.0.0 taken', delayMs: 300 } },
  })
  await using relay = await threaded(mx)
  await submit(relay, 'Subject: one\r\n\r\nhello')
  await mx.seen('DOT')
  await relay.relay.stop('test')
  assert.deepEqual(
    relay.eventsOf('message-settled').map(({ summary }) => summary.delivered),
    [1],
  )
  assert.equal(relay.eventsOf('thread-died').length, 0)
  assert.equal(relay.eventsOf('turns-abandoned').length, 0)
})

test('draining and its end reach all threads, and so does a changed configuration', async () => {
  await using mx = await ScriptedMx.start()
  await using relay = await threaded(mx)
  assert.equal((await runHermetic(relay.file, 'drain')).code, 0)
  for (let n = 0; n < SESSIONS; n += 1) {
    const refused = await SmtpDialogue.open({ port: relay.relay.listeners[0]?.listener.port ?? 0 })
    assert.equal((await refused.reply())?.code, 421)
  }
  assert.equal((await runHermetic(relay.file, 'drain', '--undo')).code, 0)
  await appendFile(relay.file, '\n[submission]\nmax_message_size = "1 MiB"\n')
  assert.equal((await runHermetic(relay.file, 'reload')).code, 0)
  for (let n = 0; n < SESSIONS; n += 1) {
    const client = await SmtpDialogue.open({ port: relay.relay.listeners[0]?.listener.port ?? 0 })
    await client.reply()
    const { lines } = await client.command('EHLO client.example.test')
    assert.ok(
      lines.some((line) => line.includes('SIZE 1048576')),
      lines.join('\n'),
    )
    await client.quit()
  }
})

function threaded(mx: ScriptedMx, more: Pick<WholeRelayOptions, 'onThread'> = {}): Promise<WholeRelay> {
  return WholeRelay.start({
    ...more,
    settings: `
threads = 2
[delivery]
port = ${mx.port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    records: { 'example.test': { MX: [[10, MX]] }, [MX]: { A: [mx.address] } },
  })
}

async function submit(relay: WholeRelay, content: string): Promise<void> {
  const client = await relay.greeted()
  await client.command('MAIL FROM:<app@sender.test>')
  await client.command('RCPT TO:<someone@example.test>')
  await client.command('DATA')
  const reply = await client.command(`From: <app@sender.test>\r\n${content}\r\n.`)
  assert.equal(reply.code, 250)
  await client.quit()
}

async function metrics({ relay }: WholeRelay): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text()
}
