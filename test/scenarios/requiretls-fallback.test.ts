/**
 * REQUIRETLS and fallback relays, as `hermetic start` has them: from a client's parameter to what a fallback sees, and to
 * the notification that says why nobody got it (RFC 8689 §4.2.1).
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { LISTED } from '../lab/requiretls-world.ts'
import type { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { addressBlock, type HostOptions, labAuthority, startHost } from '../lab/world-host.ts'

interface Case {
  readonly host: HostOptions
  readonly tls?: 'starttls' | 'opportunistic'
  readonly use?: 'unreachable' | 'unreachable-or-policy'
  /** The mail exchanger of the domain; by default it refuses whoever connects, for now. */
  readonly mx?: 'unlisted.test' | 'expired.test'
}

const LISTING: HostOptions = { capabilitiesInTls: LISTED }

const TAKEN: Readonly<Record<string, Case>> = {
  'lists it and proves its name': { host: LISTING },
  'lists it and may be opportunistic, but proves its name all the same': { host: LISTING, tls: 'opportunistic' },
}

const NOT_TAKEN: Readonly<Record<string, Case>> = {
  'does not list it': { host: {} },
  'lists it before STARTTLS only': { host: { capabilities: LISTED, capabilitiesInTls: [] } },
  'has no TLS at all': { host: { capabilities: LISTED, tls: 'none' } },
  'has no TLS and may be opportunistic': { host: { capabilities: LISTED, tls: 'none' }, tls: 'opportunistic' },
  'shows an expired certificate': { host: { ...LISTING, tls: 'expired' } },
  'shows a certificate of nobody': { host: { ...LISTING, tls: 'self-signed' } },
  'shows a certificate of nobody and may be opportunistic': {
    ...{ host: { ...LISTING, tls: 'self-signed' }, tls: 'opportunistic' },
  },
  'shows a certificate of another name': { host: { ...LISTING, tls: 'wrong-name' } },
  'does not list it and stands in for policies too': { host: {}, use: 'unreachable-or-policy' },
}

/** The mail exchanger answers, and what it lacks is final: the status says what (RFC 8689 §4.2.1). */
const RETURNED: Readonly<Record<string, Case & { readonly status: string }>> = {
  'does not list it': { host: LISTING, mx: 'unlisted.test', status: '5.7.30' },
  'does not list it, though the fallback stands in for policies': {
    ...{ host: LISTING, mx: 'unlisted.test', status: '5.7.30', use: 'unreachable-or-policy' },
  },
  'has an expired certificate': { host: LISTING, mx: 'expired.test', status: '5.7.10' },
  'has an expired certificate, though the fallback stands in for policies': {
    ...{ host: LISTING, mx: 'expired.test', status: '5.7.10', use: 'unreachable-or-policy' },
  },
}

const CASES: readonly (readonly [string, Case])[] = Object.entries({
  ...TAKEN,
  ...NOT_TAKEN,
  ...Object.fromEntries(Object.entries(RETURNED).map(([title, one]) => [`MX ${title}`, one])),
})
const SENDER = 'sender.test'

let directory: string
let relay: WholeRelay
let port: number
const hosts = new Map<string, ScriptedMx>()

/** The domain of the case that has this title. */
function domainOf(title: string): string {
  return `d${CASES.findIndex(([name]) => name === title)}.test`
}

function fallbackOf(title: string): ScriptedMx {
  const host = hosts.get(`fallback.${domainOf(title)}`)
  assert.ok(host !== undefined)
  return host
}

function routeOf([title, { tls = 'starttls', use = 'unreachable' }]: readonly [string, Case]): string {
  const host = `fallback.${domainOf(title)}`
  return `[[route]]
domain = "${domainOf(title)}"
host = "${host}"
port = ${hosts.get(host)?.port}
tls = "${tls}"
fallback = "${use}"
`
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'requiretls-fallback-'))
  const ca = await labAuthority()
  await writeFile(join(directory, 'roots.pem'), ca.certificate)
  const addresses = addressBlock()
  const host = async (name: string, options: HostOptions, at?: number): Promise<ScriptedMx> => {
    const started = await startHost({ name, host: options, address: addresses(), port: at, ca })
    hosts.set(name, started)
    return started
  }
  const { port: mxPort } = await host(`mx.${SENDER}`, LISTING)
  await host('busy.test', { script: { CONNECT: '421 4.3.0 later' } }, mxPort)
  await host('unlisted.test', {}, mxPort)
  await host('expired.test', { ...LISTING, tls: 'expired' }, mxPort)
  for (const [title, { host: options }] of CASES) await host(`fallback.${domainOf(title)}`, options)
  const secure = true
  const mxOf = (domain: string, name: string) => [domain, { MX: [[10, name] as const], secure }] as const
  relay = await WholeRelay.start({
    settings: `
data_dir = "${directory}/data"
[trust]
ca_file = "${directory}/roots.pem"
[mta_sts]
enabled = false
[[listener]]
kind = "relay"
port = 0
tls = "implicit"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mxPort}
retry_quick = ["1h"]
${CASES.map(routeOf).join('')}`,
    trust: 'ad',
    records: {
      '.': { SOA: true, secure },
      ...Object.fromEntries([...hosts].map(([name, { address }]) => [name, { A: [address], secure }])),
      ...Object.fromEntries(CASES.map(([title, { mx = 'busy.test' }]) => mxOf(domainOf(title), mx))),
      ...Object.fromEntries([mxOf(SENDER, `mx.${SENDER}`)]),
    },
  })
  port = relay.relay.listeners[0]?.listener.port ?? 0
})

after(async () => {
  await relay?.[Symbol.asyncDispose]()
  for (const host of hosts.values()) await host[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

/** Demands REQUIRETLS, and waits until the mail exchanger, and then the fallback, have been asked. */
async function send(title: string, attempts = 2) {
  const client = await SmtpDialogue.open({ port, tls: {} })
  await client.reply()
  await client.command('EHLO client.example.test')
  await client.command(`MAIL FROM:<a@${SENDER}> REQUIRETLS`)
  await client.command(`RCPT TO:<bob@${domainOf(title)}>`)
  await client.command('DATA')
  client.send(`Subject: hello\r\nFrom: <a@${SENDER}>\r\nTo: <bob@${domainOf(title)}>\r\n\r\nhello\r\n.\r\n`)
  const reply = await client.reply()
  assert.equal(reply?.code, 250, JSON.stringify(reply))
  await client.quit()
  const id = relay.eventsOf('message-accepted').at(-1)?.id
  const settles = () => relay.eventsOf('message-settled').filter((event) => event.id === id)
  await relay.until(() => settles().length === attempts)
  return settles().at(-1)
}

describe('a message that demands REQUIRETLS, whose destination cannot be reached', () => {
  for (const title of Object.keys(TAKEN)) {
    test(`RTLS-05: goes with the parameter to a fallback that ${title}`, async () => {
      covers('RTLS-05', { observe: 'smtp' })
      const settled = await send(title)
      assert.equal(settled?.summary.delivered, 1, JSON.stringify(settled))
      assert.match(fallbackOf(title).messages[0]?.mail ?? '', / REQUIRETLS$/)
    })
  }

  for (const title of Object.keys(NOT_TAKEN)) {
    test(`waits, and no envelope goes to a fallback that ${title}`, async () => {
      const settled = await send(title)
      assert.equal(settled?.summary.deferred, 1, JSON.stringify(settled))
      const [back] = settled?.settled.recipients ?? []
      assert.ok(back?.outcome.kind === 'deferred')

      const { connections } = fallbackOf(title)
      assert.ok(connections.length > 0, 'it was asked')
      assert.ok(!connections.some(({ commands }) => commands.some((line) => /^(?:MAIL|RCPT|DATA)/.test(line))))
    })
  }
})

describe('a message that demands REQUIRETLS is returned at once, and its fallback not asked, when the destination', () => {
  for (const [title, { status }] of Object.entries(RETURNED)) {
    test(`RTLS-29: ${title}`, async () => {
      covers('RTLS-29', { observe: 'smtp' })
      const sender = hosts.get(`mx.${SENDER}`)
      const before = sender?.messages.length ?? 0
      const settled = await send(`MX ${title}`, 1)
      assert.equal(settled?.summary.failed, 1, JSON.stringify(settled))
      await relay.until(() => (sender?.messages.length ?? 0) > before)
      const text = sender?.messages.at(-1)?.content.toString() ?? ''
      assert.match(text, new RegExp(`^Status: ${status.replaceAll('.', '\\.')}\r$`, 'm'))
      assert.match(text, /REQUIRETLS/)
      assert.doesNotMatch(text, /fallback/)
      assert.equal(fallbackOf(`MX ${title}`).connections.length, 0)
    })
  }
})
