/**
 * The validator dies under load, and while it is dead somebody else answers at the addresses of the mail exchangers,
 * with another certificate or without STARTTLS, glad to take everything. Not knowing must mean waiting (RFC 7672
 * §2.1.2): the stranger gets nothing, all mail arrives over TLS at the host that the TLSA records mean, and nobody has to
 * do anything for that but bring the validator back. What has no TLSA records waits as well: without DNS there is no way.
 *
 * Once with a resolver that the operator runs, once with the unbound of the relay's own, side by side: a lane that
 * has failed rests for a minute, and that is waited for.
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SmtpDialogue } from '../lab/submit.ts'
import { DEAD, DOMAINS, Hosts, LATE } from './dane-strangers.ts'
import { freePort, RelayInstance } from './relay-instance.ts'
import { SignedZones } from './signed-zones.ts'
import { UnboundInstance } from './unbound-instance.ts'

const PAUSE_MS = 20
/** Messages of each phase: before the validator dies, while it is dead and strangers stand there, and afterwards. */
const WARM = 60
const AMID = 60
const AFTER = 60
/** A lane rests for a minute. */
const WAIT_MS = 150_000
const POLL_MS = 50

type LogLine = Readonly<Record<string, unknown>>

interface Validator {
  /** What the relay's configuration says of it. */
  readonly settings: string
  /** Before the relay starts. */
  readonly prepare: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly revive: () => Promise<void>
}

interface Scene {
  readonly dir: string
  readonly zones: SignedZones
  readonly lines: readonly LogLine[]
}

describe('killing unbound under load', { concurrency: true }, () => {
  it('defers, never downgrades, and flows again: a resolver of the operator', () => proven(operatorsUnbound))
  it('defers, never downgrades, and flows again: an unbound of our own', () => proven(ownUnbound))
})

async function operatorsUnbound({ dir, zones }: Scene, cleanup: AsyncDisposableStack): Promise<Validator> {
  const unbound = cleanup.use(await UnboundInstance.start({ dir, anchors: zones.anchors, upstream: zones }))
  return {
    settings: `servers = ["127.0.0.1:${unbound.port}"]\ntrust = "ad"`,
    prepare: async () => undefined,
    kill: () => unbound.kill(),
    revive: () => unbound.launch(),
  }
}

/** Nobody revives it but the relay, which cannot as long as the directory of its unbound is not there. */
async function ownUnbound({ dir, zones, lines }: Scene): Promise<Validator> {
  const directory = `${dir}/data/unbound`
  const linesOf = (event: string) => lines.filter((line) => line['event'] === event)
  return {
    settings: `servers = ["127.0.0.1:${zones.port}"]\ntrust = "auto"`,
    // As if an earlier run had learnt the keys of this root.
    prepare: async () => {
      await mkdir(directory, { recursive: true })
      await writeFile(`${directory}/root.key`, `${zones.anchors.join('\n')}\n`)
    },
    kill: async () => {
      await rename(directory, `${directory}.away`)
      await writeFile(directory, '')
      process.kill(Number(linesOf('unbound-started').at(-1)?.['pid']), 'SIGKILL')
    },
    revive: async () => {
      assert.equal(linesOf('dnssec-validating').length, 1)
      await rm(directory)
      await rename(`${directory}.away`, directory)
      await untilTrue(
        () => `an unbound after that\n${storyOf(lines)}`,
        () => linesOf('dnssec-validating').length === 2,
      )
    },
  }
}

async function proven(validatorOf: (scene: Scene, cleanup: AsyncDisposableStack) => Promise<Validator>): Promise<void> {
  await using cleanup = new AsyncDisposableStack()
  const dir = await mkdtemp(`${tmpdir()}/hermetic-unbound-killed-`)
  cleanup.defer(() => rm(dir, { recursive: true, force: true }))
  const hosts = cleanup.use(await Hosts.start())
  const zones = cleanup.use(await SignedZones.start({ dir, zones: hosts.zones() }))
  const lines: LogLine[] = []
  const validator = await validatorOf({ dir, zones, lines }, cleanup)
  await validator.prepare()
  const listen = await freePort()
  const relay = await RelayInstance.start({
    dir,
    settings: relaySettings({ listen, port: hosts.port, dns: validator.settings }),
    readyPort: listen,
    onLine: (line) => lines.push(JSON.parse(line) as LogLine),
  })
  cleanup.defer(() => relay.stop())
  const until = (what: string, condition: () => boolean) => untilTrue(() => `${what}\n${storyOf(lines)}`, condition)

  const load = new Load(listen)
  cleanup.defer(() => load.stop())
  await until('mail flows', () => load.sent >= WARM && DOMAINS.every(({ name }) => hosts.arrived(name).size > 0))
  for (const domain of Object.keys(DEAD)) await submit(listen, `${domain} 0`)
  await until('the way to their hosts is known', () =>
    Object.keys(DEAD).every((domain) => hosts.arrived(domain).size === 1),
  )
  await validator.kill()
  const dead = lines.length
  await until('every lane has noticed', () => DOMAINS.every(({ name }) => lookupFailed(lines.slice(dead), name)))
  await hosts.replaceByStrangers()
  for (const domain of Object.keys(DEAD)) await submit(listen, `${domain} 1`)
  await until('not knowing means waiting', () =>
    Object.keys(DEAD).every((domain) => lookupFailed(lines.slice(dead), domain)),
  )
  await until('mail comes in while nobody validates', load.more(AMID))
  assert.deepEqual(
    hosts.strangers.flatMap(({ connections }) => connections),
    [],
    'nobody was connected to',
  )
  await validator.revive()
  for (const late of Object.keys(LATE)) await submit(listen, `${late} 0`)
  const met = () => hosts.strangers.every(({ connections }) => connections.length > 0)
  await until('the strangers are met', met)
  await until('and refused', () => Object.keys(LATE).every((late) => policyFailed(lines, late)))
  await hosts.takeBack()
  await until('mail comes in again', load.more(AFTER))
  await load.stop()

  for (const { name } of DOMAINS) await until(`all for ${name}`, () => hosts.arrived(name).size === load.sentTo(name))
  for (const domain of Object.keys(DEAD)) await until(`both for ${domain}`, () => hosts.arrived(domain).size === 2)
  for (const domain of Object.keys(LATE)) await until(`the one for ${domain}`, () => hosts.arrived(domain).size === 1)
  assert.deepEqual(
    hosts.strangers.flatMap(({ connections }) => connections.flatMap(({ commands }) => commands.filter(isOfMail))),
    [],
    'the strangers were told nothing of any message',
  )
  assert.ok(!lines.some(({ event }) => event === 'dane-validation-lost'), 'that was our trouble, not that of a zone')
  assert.ok(
    hosts.inClear().every((domain) => domain === 'plain.test'),
    'TLSA records mean TLS',
  )
  assert.equal(
    hosts.count(),
    load.sent + 2 * Object.keys(DEAD).length + Object.keys(LATE).length,
    'nothing arrived twice',
  )
}

/** What went wrong and came back, in short. */
function storyOf(lines: readonly LogLine[]): string {
  const told = lines.filter(({ event }) => event === 'next-hop-failed' || /^(?:dnssec|unbound)-/.test(String(event)))
  return told.map(({ time, event, next_hop: nextHop, cause }) => [time, event, nextHop, cause].join(' ')).join('\n')
}

function lookupFailed(lines: readonly LogLine[], domain: string): boolean {
  return failed(lines, domain, /dns-failure|tlsa-lookup-failed/)
}

function policyFailed(lines: readonly LogLine[], domain: string): boolean {
  return failed(lines, domain, /tls-policy: dane: .*tlsa-mismatch|starttls-not-offered/)
}

function failed(lines: readonly LogLine[], domain: string, because: RegExp): boolean {
  return lines.some(
    ({ event, next_hop: nextHop, cause }) =>
      event === 'next-hop-failed' && nextHop === domain && because.test(String(cause)),
  )
}

function isOfMail(line: string): boolean {
  return /^(?:MAIL|RCPT|DATA|BDAT)/i.test(line)
}

/** One message after the other, to each domain in turn, until it is stopped. */
class Load {
  sent = 0
  readonly #done: Promise<void>
  #stopped = false

  constructor(port: number) {
    this.#done = this.#run(port)
    // Told by `stop`.
    this.#done.catch(() => undefined)
  }

  /** True once so many more messages are accepted. */
  more(count: number): () => boolean {
    const enough = this.sent + count
    return () => this.sent >= enough
  }

  sentTo(domain: string): number {
    const index = DOMAINS.findIndex(({ name }) => name === domain)
    return Math.ceil((this.sent - index) / DOMAINS.length)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(port: number): Promise<void> {
    const client = await greeted(port)
    while (!this.#stopped) {
      const { name } = DOMAINS[this.sent % DOMAINS.length] ?? DOMAINS[0]
      await sendOne(client, `${name} ${Math.floor(this.sent / DOMAINS.length)}`)
      this.sent += 1
      await sleep(PAUSE_MS)
    }
    await client.quit()
  }
}

async function submit(port: number, subject: string): Promise<void> {
  const client = await greeted(port)
  await sendOne(client, subject)
  await client.quit()
}

async function greeted(port: number): Promise<SmtpDialogue> {
  const client = await SmtpDialogue.open({ port })
  await client.reply()
  await client.command('EHLO client.example.test')
  return client
}

/** The subject is domain and number. */
async function sendOne(client: SmtpDialogue, subject: string): Promise<void> {
  await client.command('MAIL FROM:<app@origin.test>')
  await client.command(`RCPT TO:<bob@${subject.split(' ')[0]}>`)
  await client.command('DATA')
  client.send(`From: <app@origin.test>\r\nSubject: ${subject}\r\n\r\nhello\r\n.\r\n`)
  assert.equal((await client.reply())?.code, 250)
}

async function untilTrue(what: () => string, condition: () => boolean): Promise<void> {
  for (const end = performance.now() + WAIT_MS; !condition(); await sleep(POLL_MS)) {
    assert.ok(performance.now() < end, what())
  }
}

function relaySettings(of: { readonly listen: number; readonly port: number; readonly dns: string }): string {
  return `
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = ${of.listen}
tls = "none"
allow_networks = ["127.0.0.0/8"]
[dns]
${of.dns}
[delivery]
port = ${of.port}
retry_quick = ["1s", "1s", "1s", "1s", "1s", "1s"]
retry_interval = "1s"
[mta_sts]
enabled = false
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
}
