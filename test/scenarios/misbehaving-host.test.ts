/**
 * A best host that misbehaves in each phase of a session, in each way that there is, and a second one that does not: the
 * mail goes to the second, once, whatever the first did before the end of the message was out; what was lost
 * behind it may be there already, and waits (RFC 5321 §3.8).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_TIMEOUTS, type SmtpTimeouts } from '../../packages/mta/src/smtp/timeouts.ts'
import { covers } from '../conformance/covers.ts'
import type { MxAction, MxAnswer, MxStep, MxVerb } from '../lab/mx-script.ts'
import { RelayWorld } from '../lab/relay-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'
import type { HostOptions } from '../lab/world-host.ts'

/** Long enough for a loaded machine to answer, short enough to wait for those who are silent. */
const STEP_MS = 1_000

/** More than leaves in one piece, so that its end is not out yet when its beginning is answered. */
const LARGE = `Subject: large\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(20_000)}`

interface Phase {
  readonly verb: MxVerb
  readonly where: 'clear' | 'tls'
  /** Of this phase and of those whose answers come late because of it. */
  readonly timers: readonly (keyof SmtpTimeouts)[]
}

const PHASES: Readonly<Record<string, Phase>> = {
  greeting: { verb: 'CONNECT', where: 'clear', timers: ['greetingMs'] },
  ehlo: { verb: 'EHLO', where: 'clear', timers: ['ehloMs'] },
  starttls: { verb: 'STARTTLS', where: 'clear', timers: ['startTlsMs'] },
  'ehlo-in-tls': { verb: 'EHLO', where: 'tls', timers: ['ehloMs'] },
  mail: { verb: 'MAIL', where: 'tls', timers: ['mailMs', 'rcptMs', 'dataMs'] },
  rcpt: { verb: 'RCPT', where: 'tls', timers: ['rcptMs', 'dataMs'] },
  data: { verb: 'DATA', where: 'tls', timers: ['dataMs'] },
  content: { verb: 'CONTENT', where: 'tls', timers: ['dataBlockMs', 'finalDotMs'] },
  dot: { verb: 'DOT', where: 'tls', timers: ['finalDotMs'] },
  bdat: { verb: 'BDAT', where: 'tls', timers: ['finalDotMs'] },
}

const WAYS: Readonly<Record<string, MxAction>> = {
  '421': { reply: '421 4.3.2 going away', after: 'close' },
  '4yz': { reply: '451 4.3.0 not now' },
  silence: { silent: true },
  close: { silent: true, after: 'close' },
  reset: { silent: true, after: 'reset' },
  'half-close': { silent: true, after: 'half-close' },
  'half a reply': { raw: '250-and', after: 'close' },
  'no SMTP': { raw: 'HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n' },
  'binary noise': { raw: Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 7) % 256)) },
  'an endless line': { endless: '250-and on and on ' },
  'endless lines': { endless: '250-and on\r\n' },
  'a slow drip': { reply: `250-${'x'.repeat(400)}`, drip: { bytes: 1, everyMs: 40 } },
}

interface Case {
  readonly way: string
  readonly domain: string
  readonly host: HostOptions
  /** The answer to the end of the message was lost. */
  readonly ambiguous: boolean
}

function casesOf(phase: string, { verb, where }: Phase): readonly Case[] {
  const offered = phase === 'bdat' ? [...DEFAULT_CAPABILITIES, 'CHUNKING'] : DEFAULT_CAPABILITIES
  return Object.entries(WAYS).map(([way, action], index) => {
    const answer = ({ inTls }: MxStep): MxAnswer => (inTls === (where === 'tls') ? action : undefined)
    // In a group the answers that still come would count for the one that does not (RFC 2920 §3.1).
    const capabilities = offered.filter((keyword) => way !== 'silence' || keyword !== 'PIPELINING')
    const answered = way === '4yz' || way === '421'
    return {
      way,
      domain: `w${index}.test`,
      host: { capabilities, script: { [verb]: answer } },
      ambiguous: isEndOut(phase, way) && !answered,
    }
  })
}

/** Who only talks while the content comes gets all of it. */
function isEndOut(phase: string, way: string): boolean {
  return phase === 'dot' || phase === 'bdat' || (phase === 'content' && way === 'a slow drip')
}

for (const [phase, how] of Object.entries(PHASES)) {
  test(`SMTP-15, SMTP-16, SMTP-60: a host that misbehaves in ${phase}`, async (context) => {
    covers(['SMTP-15', 'SMTP-16', 'SMTP-60'], { observe: 'smtp' })
    const cases = casesOf(phase, how)
    const short = Object.fromEntries(how.timers.map((timer) => [timer, STEP_MS]))
    const list = (domain: string) => [[10, `bad.${domain}`] as const, [20, 'good.test'] as const]
    await using world = await RelayWorld.start({
      hosts: { ...Object.fromEntries(cases.map(({ domain, host }) => [`bad.${domain}`, host])), 'good.test': {} },
      mx: Object.fromEntries(cases.map(({ domain }) => [domain, list(domain)])),
      slots: cases.length,
      delivery: { timeouts: { ...DEFAULT_TIMEOUTS, quitMs: 200, ...short } },
    })
    const content = phase === 'content' ? { content: LARGE } : {}
    const ids = await Promise.all(cases.map(({ domain }) => world.submit({ to: [`bob@${domain}`], ...content })))
    await Promise.all(ids.map((id) => world.settled(id)))
    const { messages } = world.mx('good.test')
    for (const [index, { way, domain, ambiguous }] of cases.entries()) {
      await context.test(way, () => {
        const settled = world.eventsOf('message-settled').find(({ id }) => id === ids[index])
        const end = ambiguous ? 'ambiguous' : 'delivered'
        const summary = { delivered: 0, deferred: 0, failed: 0, ambiguous: 0, [end]: 1 }
        assert.deepEqual(settled?.summary, summary, JSON.stringify(settled?.problem))
        const copies = messages.filter(({ recipients }) => recipients[0]?.address === `bob@${domain}`).length
        if (ambiguous) assert.equal(copies, 0)
        // A host whose TLS is broken is talked to in clear where nothing demands TLS, and may do better then (TLS-11).
        else assert.equal(copies + world.mx(`bad.${domain}`).messages.length, 1)
      })
    }
    assert.deepEqual(world.eventsOf('delivery-defect'), [])
  })
}
