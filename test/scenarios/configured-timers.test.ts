import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { formatProblem } from '../../packages/mta/src/config/problem.ts'
import { startRelay } from '../../packages/mta/src/main.ts'
import { causeWords } from '../../packages/mta/src/observability/delivery-record.ts'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import { covers } from '../conformance/covers.ts'
import { startDnsServer, zone } from '../lab/dns-server.ts'
import type { MxVerb } from '../lab/mx-script.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'

/** The step at which the other server falls silent, and the timer that must end it. */
const SILENCES: readonly (readonly [at: MxVerb, timer: string, phase: string])[] = [
  ['CONNECT', 'greeting', 'greeting'],
  ['EHLO', 'ehlo', 'ehlo'],
  ['MAIL', 'mail', 'mail'],
  ['RCPT', 'rcpt', 'rcpt'],
  ['DATA', 'data', 'data'],
  ['DOT', 'final_dot', 'final-dot'],
]

const TIMER_MS = 150

const domainOf = (timer: string): string => `${timer.replace('_', '-')}.test`

/** The whole relay, with its settings from a file, and what it told. */
async function startWorld(mx: ScriptedMx, directory: string) {
  const names = SILENCES.map(([, timer]) => domainOf(timer))
  const dns = await startDnsServer({
    zones: [
      zone(
        Object.fromEntries(
          names.flatMap((name) => [
            [name, { MX: [[10, `mx.${name}`] as const] }],
            [`mx.${name}`, { A: [mx.address] }],
          ]),
        ),
      ),
    ],
  })
  const file = join(directory, 'hermetic.toml')
  const timers = SILENCES.map(([, timer]) => `${timer} = "${TIMER_MS}ms"`)
  writeFileSync(
    file,
    `hostname = "relay.example.test"
[[listener]]
kind = "submission"
port = 0
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["${dns.address}:${dns.port}"]
[delivery]
port = ${mx.port}
[delivery.timeouts]
${timers.join('\n')}
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`,
  )
  const config = loadConfig({ file, env: {} })
  assert.ok(config.ok, config.ok ? '' : config.error.map(formatProblem).join('\n'))
  const events: LogEvent[] = []
  const relay = await startRelay(config.value, {
    version: 'test',
    logStream: { write: () => undefined },
    onEvent: (event) => void events.push(event),
  })
  assert.ok(relay.ok)
  return { relay: relay.value, dns, events }
}

async function submit(port: number, recipient: string): Promise<void> {
  const client = await SmtpDialogue.open({ port })
  await client.reply()
  for (const line of ['EHLO client.example.test', 'MAIL FROM:<jane@example.test>', `RCPT TO:<${recipient}>`, 'DATA']) {
    assert.ok((await client.command(line)).code < 400, line)
  }
  assert.equal((await client.command('From: <jane@example.test>\r\n\r\nhi\r\n.')).code, 250)
  await client.quit()
}

test('SMTP-33: a timer changed in the settings is the one that ends a silent server, at every step', async () => {
  covers('SMTP-33', { observe: 'store' })
  const directory = mkdtempSync(join(tmpdir(), 'hermetic-timers-'))
  await using mx = await ScriptedMx.start({ capabilities: [] })
  const { relay, dns, events } = await startWorld(mx, directory)
  try {
    for (const [at, timer, phase] of SILENCES) {
      mx.script = { [at]: { silent: true } }
      const started = performance.now()
      await submit(relay.listeners[0]?.listener.port ?? 0, `joe@${domainOf(timer)}`)
      const expected = `timeout: ${phase}`
      await until(
        () => causes(events, domainOf(timer)).includes(expected),
        () => causes(events, domainOf(timer)).join(),
      )
      assert.ok(performance.now() - started >= TIMER_MS, timer)
    }
  } finally {
    await relay.stop('test')
    await dns.close()
    rmSync(directory, { recursive: true })
  }
})

function causes(events: readonly LogEvent[], nextHop: string): readonly string[] {
  return events.flatMap((event) => {
    if (!('nextHop' in event) || event.nextHop !== nextHop) return []
    if ('problem' in event) return [causeWords(event.problem.cause)]
    return 'cause' in event && event.cause !== undefined ? [causeWords(event.cause)] : []
  })
}

async function until(condition: () => boolean, seen: () => string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, `not in time; seen: ${seen()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
