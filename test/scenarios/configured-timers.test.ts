import assert from 'node:assert/strict'
import { test } from 'node:test'
import { causeWords } from '../../packages/mta/src/observability/delivery-record.ts'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import { covers } from '../conformance/covers.ts'
import type { MxVerb } from '../lab/mx-script.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

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

function startWorld(mx: ScriptedMx): Promise<WholeRelay> {
  const names = SILENCES.map(([, timer]) => domainOf(timer))
  return WholeRelay.start({
    settings: `[[listener]]
kind = "submission"
port = 0
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mx.port}
dead_host_memory = "0s"
[delivery.timeouts]
${SILENCES.map(([, timer]) => `${timer} = "${TIMER_MS}ms"`).join('\n')}`,
    records: Object.fromEntries(
      names.flatMap((name) => [
        [name, { MX: [[10, `mx.${name}`] as const] }],
        [`mx.${name}`, { A: [mx.address] }],
      ]),
    ),
  })
}

async function submit(whole: WholeRelay, recipient: string): Promise<void> {
  const client = await whole.greeted()
  for (const line of ['MAIL FROM:<jane@example.test>', `RCPT TO:<${recipient}>`, 'DATA']) {
    assert.ok((await client.command(line)).code < 400, line)
  }
  assert.equal((await client.command('From: <jane@example.test>\r\n\r\nhi\r\n.')).code, 250)
  await client.quit()
}

test('SMTP-33: a timer changed in the settings is the one that ends a silent server, at every step', async () => {
  covers('SMTP-33', { observe: 'store' })
  await using mx = await ScriptedMx.start({ capabilities: [] })
  await using whole = await startWorld(mx)
  for (const [at, timer, phase] of SILENCES) {
    mx.script = { [at]: { silent: true } }
    const started = performance.now()
    await submit(whole, `joe@${domainOf(timer)}`)
    const expected = `timeout: ${phase}`
    await whole.until(() => causes(whole.events, domainOf(timer)).includes(expected), `${domainOf(timer)}: ${expected}`)
    assert.ok(performance.now() - started >= TIMER_MS, timer)
  }
})

function causes(events: readonly LogEvent[], nextHop: string): readonly string[] {
  return events.flatMap((event) => {
    if (!('nextHop' in event) || event.nextHop !== nextHop) return []
    if ('problem' in event) return [causeWords(event.problem.cause)]
    return 'cause' in event && event.cause !== undefined ? [causeWords(event.cause)] : []
  })
}
