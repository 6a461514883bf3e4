/**
 * The whole relay with an unbound of its own, which is killed again and again while mail flows: mail waits and then
 * goes, and no host whose zone demands TLS gets anything in clear (architecture, decision 6; RFC 7672 §2.1.2).
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectControl } from '../../packages/mta/src/admin/control-client.ts'
import { SOCKET_NAME } from '../../packages/mta/src/admin/control-protocol.ts'
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { formatProblem } from '../../packages/mta/src/config/problem.ts'
import { type Relay, startRelay } from '../../packages/mta/src/main.ts'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { SignedZones } from './signed-zones.ts'

const DOMAINS = ['plain.test', 'signed.test', 'dane.test'] as const
const MESSAGES_EACH = 25
const KILLS = 3
const BETWEEN_KILLS_MS = 700
const WAIT_MS = 60_000

it('killing unbound under load makes mail wait, never go in clear where DANE forbids it, and all of it flows again', async () => {
  const dir = await mkdtemp(`${tmpdir()}/hermetic-dnssec-relay-`)
  const events: LogEvent[] = []
  await using mx = await ScriptedMx.start()
  await using zones = await SignedZones.start({
    dir,
    zones: DOMAINS.map((name) => ({
      name,
      // A second: most messages need an answer of their own.
      ttl: 1,
      dnssec: name === 'plain.test' ? 'unsigned' : 'signed',
      records: [
        ...['@ MX 10 mx', `mx A ${mx.address}`],
        ...(name === 'dane.test' ? [`_${mx.port}._tcp.mx TLSA 3 1 1 ${'ab'.repeat(32)}`] : []),
      ],
    })),
  })
  const relay = await start(dir, { zones, mx, events })
  try {
    const kinds = (): readonly string[] => events.map(({ event }) => event)
    assert.ok(kinds().includes('dnssec-validating'))
    const killing = killAgainAndAgain(events)
    for (let round = 0; round < MESSAGES_EACH; round++) {
      await submit(relay, `round-${round}`)
      await sleep((KILLS * BETWEEN_KILLS_MS) / MESSAGES_EACH)
    }
    await killing
    const deliverable = 2 * MESSAGES_EACH
    for (const end = performance.now() + WAIT_MS; mx.messages.length < deliverable; await sleep(500)) {
      assert.ok(performance.now() < end, `${mx.messages.length} of ${deliverable} messages arrived`)
      await retryAll(`${dir}/data`)
    }

    const recipients = mx.messages.flatMap((message) => message.recipients.map(({ address }) => address))
    assert.ok(
      !recipients.some((recipient) => recipient.includes('dane.test')),
      'the host of dane.test has no TLS at all',
    )
    assert.equal(new Set(recipients).size, deliverable)
    const waited = events.filter(
      (event) => event.event === 'next-hop-failed' && event.problem.cause.kind === 'dns-failure',
    )
    assert.ok(waited.length > 0, 'lookups failed while nobody validated')
    assert.ok(kinds().filter((kind) => kind === 'dnssec-lost').length >= 1)
    assert.ok(!events.some((event) => event.event === 'message-settled' && event.summary.failed > 0))
  } finally {
    await relay.stop('test')
    await rm(dir, { recursive: true, force: true })
  }
})

/** As an operator would: a lane that has failed rests for a minute otherwise. */
async function retryAll(dataDir: string): Promise<void> {
  const control = await connectControl(join(dataDir, SOCKET_NAME))
  assert.ok(control !== undefined)
  const waiting = await control.queue.list({ state: 'queued' }, { limit: 200 })
  await control.queue.change(
    waiting.map(({ id }) => id),
    { kind: 'retry' },
  )
}

async function killAgainAndAgain(events: readonly LogEvent[]): Promise<void> {
  for (let kills = 0; kills < KILLS; kills++) {
    await sleep(BETWEEN_KILLS_MS)
    const last = events.findLast((event) => event.event === 'unbound-started')
    if (last === undefined) continue
    try {
      process.kill(last.pid, 'SIGKILL')
    } catch {
      // It is gone already: its successor is on the way.
    }
  }
}

interface Surroundings {
  readonly zones: SignedZones
  readonly mx: ScriptedMx
  readonly events: LogEvent[]
}

async function start(dir: string, { zones, mx, events }: Surroundings): Promise<Relay> {
  const file = `${dir}/hermetic.toml`
  await writeFile(
    file,
    `hostname = "relay.hermetic.test"
data_dir = "${dir}/data"
[dns]
servers = ["127.0.0.1:${zones.port}"]
[delivery]
port = ${mx.port}
retry_quick = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]
retry_interval = "2s"
[mta_sts]
enabled = false
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
  )
  const config = loadConfig({ file, env: {} })
  assert.ok(config.ok, config.ok ? '' : config.error.map(formatProblem).join('\n'))
  const relay = await startRelay(config.value, {
    version: 'test',
    logStream: { write: () => undefined },
    onEvent: (event) => void events.push(event),
    dnssec: { anchors: zones.anchors, timing: { retryMs: 100 } },
  })
  assert.ok(relay.ok)
  return relay.value
}

async function submit(relay: Relay, name: string): Promise<void> {
  const port = relay.listeners[0]?.listener.port
  assert.ok(port !== undefined)
  const client = await SmtpDialogue.open({ port })
  await client.reply()
  await client.command('EHLO client.hermetic.test')
  for (const domain of DOMAINS) {
    await client.command('MAIL FROM:<app@origin.test>')
    await client.command(`RCPT TO:<${name}@${domain}>`)
    await client.command('DATA')
    client.send('Subject: hello\r\nFrom: <app@origin.test>\r\n\r\nhello\r\n.\r\n')
    assert.equal((await client.reply())?.code, 250)
  }
  await client.quit()
}
