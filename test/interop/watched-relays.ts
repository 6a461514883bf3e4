/**
 * What a dashboard is made for: two relays on one real Redis, and destinations that are well, guarded by DANE and by
 * MTA-STS, slow, greylisting, refusing, stripped of TLS, and somebody else's. With their own name server on loopback.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSigned } from '../lab/ca.ts'
import { tlsaOf } from '../lab/dane-world.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from '../lab/dns-server.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import type { ScriptedMx } from '../lab/scripted-mx.ts'
import { policyText } from '../lab/sts-world.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { addressBlock, type HostOptions, labAuthority, startHost } from '../lab/world-host.ts'
import { freePort, RelayInstance } from './relay-instance.ts'

interface Destination {
  readonly host: HostOptions
  /** Mode of its MTA-STS policy. */
  readonly sts?: 'enforce' | 'testing'
  /** Whether its TLSA record means the host's own certificate, or another. */
  readonly dane?: 'match' | 'other'
}

export const DESTINATIONS = {
  // Where notifications go.
  'sender.test': { host: {} },
  'plain.test': { host: { tls: 'self-signed' } },
  'clear.test': { host: { tls: 'none' } },
  'sts.test': { host: {}, sts: 'enforce' },
  'dane.test': { host: {}, dane: 'match' },
  'slow.test': { host: { script: { DOT: () => ({ delayMs: 400 }) } } },
  'grey.test': {
    host: { script: { RCPT: ({ connection }) => (connection % 3 === 0 ? undefined : '451 4.7.1 later') } },
  },
  'full.test': { host: { script: { RCPT: () => '550 5.1.1 nobody here' } } },
  'stripped.test': { host: { tls: 'none' }, sts: 'enforce' },
  'wrong-name.test': { host: { tls: 'wrong-name' }, sts: 'enforce' },
  'testing.test': { host: { tls: 'wrong-name' }, sts: 'testing' },
  'dane-other.test': { host: {}, dane: 'other' },
} as const satisfies Readonly<Record<string, Destination>>

const NAMES = ['mail-1', 'mail-2']

export type DestinationName = keyof typeof DESTINATIONS

export class WatchedRelays implements AsyncDisposable {
  readonly directory: string
  readonly relays: readonly RelayInstance[]
  /** By the name of the relay. */
  readonly metricsPorts: Readonly<Record<string, number>>
  readonly #smtpPorts: readonly number[]
  readonly #internet: Internet
  readonly #redis: RedisServer

  static async start(): Promise<WatchedRelays> {
    const directory = await mkdtemp(join(tmpdir(), 'hermetic-watched-'))
    const [internet, redis] = await Promise.all([startInternet(), startRedis()])
    const roots = join(directory, 'roots.pem')
    await writeFile(roots, (await labAuthority()).certificate)
    const smtpPorts = await Promise.all(NAMES.map(() => freePort()))
    const metricsPorts = await Promise.all(NAMES.map(() => freePort()))
    const relays = await Promise.all(
      NAMES.map((name, index) => {
        const ports = { smtp: smtpPorts[index] ?? 0, metrics: metricsPorts[index] ?? 0 }
        const settings = settingsOf(internet, { redis: redis.socket, directory, roots, ...ports })
        const hostname = `${name}.hermetic.test`
        return RelayInstance.start({ dir: join(directory, name), hostname, settings, readyPort: ports.smtp })
      }),
    )
    const byName = Object.fromEntries(NAMES.map((name, index) => [name, metricsPorts[index] ?? 0]))
    return new WatchedRelays({ directory, relays, metricsPorts: byName, smtpPorts, internet, redis })
  }

  private constructor(parts: {
    readonly directory: string
    readonly relays: readonly RelayInstance[]
    readonly metricsPorts: Readonly<Record<string, number>>
    readonly smtpPorts: readonly number[]
    readonly internet: Internet
    readonly redis: RedisServer
  }) {
    this.directory = parts.directory
    this.relays = parts.relays
    this.metricsPorts = parts.metricsPorts
    this.#smtpPorts = parts.smtpPorts
    this.#internet = parts.internet
    this.#redis = parts.redis
  }

  /** One message to each of them, in a session of its own with the first or the second relay. */
  async submit(destinations: readonly DestinationName[], relay: 0 | 1 = 0): Promise<void> {
    const client = await SmtpDialogue.open({ port: this.#smtpPorts[relay] ?? 0 })
    await client.reply()
    await client.command('EHLO client.test')
    for (const domain of destinations) {
      for (const line of ['MAIL FROM:<app@sender.test>', `RCPT TO:<someone@${domain}>`, 'DATA'])
        await client.command(line)
      client.send(`From: <app@sender.test>\r\nTo: <someone@${domain}>\r\nSubject: watched\r\n\r\nHello.\r\n.\r\n`)
      assert.equal((await client.reply())?.code, 250)
    }
    await client.quit()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.stop()))
    await Promise.all(this.#internet.closing.map((close) => close()))
    await this.#redis[Symbol.asyncDispose]()
    await rm(this.directory, { recursive: true, force: true })
  }
}

interface Internet {
  readonly dns: DnsServer
  readonly mxPort: number
  readonly policyPort: number
  readonly closing: readonly (() => Promise<unknown>)[]
}

async function startInternet(): Promise<Internet> {
  const ca = await labAuthority()
  const addresses = addressBlock()
  const closing: (() => Promise<unknown>)[] = []
  const records: Record<string, NameRecords> = { '.': { SOA: true, secure: true } }
  let mxPort: number | undefined
  let policyPort: number | undefined
  for (const [domain, { host, sts, dane }] of Object.entries<Destination>(DESTINATIONS)) {
    const name = `mx.${domain}`
    const own = dane === undefined ? undefined : await selfSigned({ names: [name] })
    const pair = own === undefined ? {} : { pair: { key: own.key, cert: own.certificate } }
    const mx: ScriptedMx = await startHost({
      ...{ name, ca },
      host: { ...host, ...pair },
      address: addresses(),
      port: mxPort,
    })
    mxPort ??= mx.port
    closing.push(() => mx.stop())
    records[domain] = { MX: [[10, name]], secure: dane !== undefined }
    records[name] = { A: [mx.address], secure: dane !== undefined }
    if (own !== undefined) {
      const meant = dane === 'match' ? own : await selfSigned({ names: [name] })
      records[`_${mxPort}._tcp.${name}`] = { TLSA: [tlsaOf(meant.certificate, 3)], secure: true }
    }
    if (sts === undefined) continue
    const tls = await certificateFor(`mta-sts.${domain}`, 'good', ca)
    const at = { address: addresses(), ...(policyPort === undefined ? {} : { port: policyPort }) }
    const policy = await PolicyHost.start({ ...at, tls, answer: { body: policyText({ mode: sts, mx: [name] }) } })
    policyPort ??= policy.port
    closing.push(() => policy[Symbol.asyncDispose]())
    records[`_mta-sts.${domain}`] = { TXT: ['v=STSv1; id=1'] }
    records[`mta-sts.${domain}`] = { A: [policy.address] }
  }
  const dns = await startDnsServer({ zones: [zone(records)] })
  closing.push(() => dns.close())
  return { dns, mxPort: mxPort ?? 25, policyPort: policyPort ?? 443, closing }
}

function settingsOf(
  { dns, mxPort, policyPort }: Internet,
  world: {
    readonly redis: string
    readonly directory: string
    readonly roots: string
    readonly smtp: number
    readonly metrics: number
  },
): string {
  return `
[queue]
engine = "redis"
redis_url = "${world.redis}"
content_dir = "${world.directory}/content"
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = ${world.smtp}
tls = "none"
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["${dns.address}:${dns.port}"]
trust = "ad"
[delivery]
port = ${mxPort}
retry_quick = ["5s", "10s", "20s"]
retry_greylisted = ["4s", "8s"]
retry_interval = "20s"
retry_interval_max = "60s"
[mta_sts]
https_port = ${policyPort}
[trust]
ca_file = "${world.roots}"
[egress]
smtp_networks = ["127.0.0.0/8"]
https_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:${world.metrics}"
`
}
