/**
 * The Internet of the demo, on loopback: a name server, a mail exchanger and a policy host for each domain of the
 * cast, one authority that is believed; and the configuration with which a relay lives in it.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createStsSource,
  createStubResolver,
  fetchPolicy,
  GuardedHttps,
  judgeAddress,
  openSqlitePolicyCache,
  parseCidr,
} from '@hermetic/policy'
import { type DnsServer, type NameRecords, startDnsServer, zone } from '../lab/dns-server.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { domainName } from '../lab/policy-host-world.ts'
import type { ScriptedMx } from '../lab/scripted-mx.ts'
import { policyText } from '../lab/sts-world.ts'
import { addressBlock, labAuthority, startHost } from '../lab/world-host.ts'
import { mxOf, type Player } from './cast.ts'

const DAY_MS = 86_400_000

export class DemoWorld implements AsyncDisposable {
  /** Of the relay: `hermetic.toml` and `data/` are in it. */
  readonly directory: string
  readonly #dns: DnsServer
  readonly #hosts: Hosts

  static async start(cast: readonly Player[]): Promise<DemoWorld> {
    const hosts = await startHosts(cast)
    const dns = await startDnsServer({ zones: [zone(recordsOf(cast, hosts))] })
    const directory = await mkdtemp(join(tmpdir(), 'hermetic-demo-'))
    const world = new DemoWorld({ directory, dns, hosts })
    await world.#past(cast)
    return world
  }

  /** Use `start`. */
  private constructor(parts: { readonly directory: string; readonly dns: DnsServer; readonly hosts: Hosts }) {
    this.directory = parts.directory
    this.#dns = parts.dns
    this.#hosts = parts.hosts
  }

  /** For `hermetic.toml`, below hostname and data_dir. */
  async settings(): Promise<string> {
    const roots = join(this.directory, 'roots.pem')
    await writeFile(roots, (await labAuthority()).certificate)
    return `
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]

[dns]
servers = ["${this.#dns.address}:${this.#dns.port}"]
trust = "none"

[delivery]
port = ${this.#hosts.mxPort}

[mta_sts]
https_port = ${this.#hosts.policyPort}

[trust]
ca_file = "${roots}"

[egress]
smtp_networks = ["127.0.0.0/8"]
https_networks = ["127.0.0.0/8"]

[metrics]
listen = "127.0.0.1:0"

[log]
level = "debug"
`
  }

  mx(player: Player): ScriptedMx {
    const mx = this.#hosts.mx.get(player.domain)
    if (mx === undefined) throw new Error(`${player.domain} is not in this world`)
    return mx
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dns.close()
    await Promise.all([...this.#hosts.mx.values()].map((mx) => mx.stop()))
    await Promise.all([...this.#hosts.policy.values()].map((host) => host[Symbol.asyncDispose]()))
    await rm(this.directory, { recursive: true, force: true })
  }

  /** What the relay learnt on an earlier day is in its cache; then the world changed. */
  async #past(cast: readonly Player[]): Promise<void> {
    const vanished = cast.filter(({ vanishedSinceDays }) => vanishedSinceDays !== undefined)
    const dataDir = join(this.directory, 'data')
    await mkdir(dataDir)
    for (const { domain, vanishedSinceDays = 0 } of vanished) {
      await this.#fetchInto(dataDir, { domain, now: () => Date.now() - vanishedSinceDays * DAY_MS })
      const host = this.#hosts.policy.get(domain)
      if (host !== undefined) host.fault = 'close-at-accept'
    }
    const left = cast.filter((player) => !vanished.includes(player))
    const gone = vanished.map(({ policy: _, ...player }) => player)
    this.#dns.serve(zone(recordsOf([...left, ...gone], this.#hosts)))
  }

  async #fetchInto(dataDir: string, { domain, now }: { readonly domain: string; readonly now: () => number }) {
    const cache = openSqlitePolicyCache({ dataDir, now })
    if (!cache.ok) throw new Error(`no cache of policies: ${JSON.stringify(cache.error)}`)
    const { address, port } = this.#dns
    const resolver = createStubResolver({ servers: [{ address, port }], trust: 'none' })
    const loopback = parseCidr('127.0.0.0/8')
    const exceptions = loopback.ok ? [loopback.value] : []
    const guard = (address: string, port: number) => judgeAddress(address, { exceptions, ownListeners: [], port })
    const https = new GuardedHttps({ resolver, guard, ca: [(await labAuthority()).certificate] })
    const httpsPort = this.#hosts.policyPort
    const fetch = (policyDomain: Parameters<typeof fetchPolicy>[0]) => fetchPolicy(policyDomain, { https, httpsPort })
    const emit = (): void => undefined
    const source = createStsSource({ resolver, cache: cache.value, fetch, now, random: Math.random, emit })
    const facts = await source.policyFor(domainName(domain))
    cache.value.close()
    resolver.close()
    if (facts.kind !== 'policy') throw new Error(`${domain} has no policy: ${JSON.stringify(facts)}`)
  }
}

interface Hosts {
  readonly mx: ReadonlyMap<string, ScriptedMx>
  readonly mxPort: number
  readonly policy: ReadonlyMap<string, PolicyHost>
  readonly policyPort: number
}

/** Each has an address of its own, and all of a kind the same port, as on the Internet. */
async function startHosts(cast: readonly Player[]): Promise<Hosts> {
  const ca = await labAuthority()
  const addresses = addressBlock()
  const mx = new Map<string, ScriptedMx>()
  const policy = new Map<string, PolicyHost>()
  let mxPort: number | undefined
  let policyPort: number | undefined
  for (const player of cast) {
    const host = await startHost({ name: mxOf(player), host: player.host, address: addresses(), port: mxPort, ca })
    mxPort ??= host.port
    mx.set(player.domain, host)
    if (player.policy === undefined) continue
    const tls = await certificateFor(`mta-sts.${player.domain}`, 'good', ca)
    const answer = player.answer ?? { body: policyText(player.policy) }
    const at = { address: addresses(), ...(policyPort === undefined ? {} : { port: policyPort }) }
    const policyHost = await PolicyHost.start({ ...at, tls, answer })
    policyPort ??= policyHost.port
    policy.set(player.domain, policyHost)
  }
  return { mx, policy, mxPort: mxPort ?? 25, policyPort: policyPort ?? 443 }
}

function recordsOf(
  cast: readonly Pick<Player, 'domain' | 'policy'>[],
  hosts: Hosts,
): Readonly<Record<string, NameRecords>> {
  const records: Record<string, NameRecords> = {}
  for (const player of cast) {
    const { domain } = player
    const address = hosts.mx.get(domain)?.address
    const policyAddress = hosts.policy.get(domain)?.address
    records[domain] = { MX: [[10, mxOf(player)]] }
    if (address !== undefined) records[mxOf(player)] = { A: [address] }
    if (policyAddress !== undefined) records[`mta-sts.${domain}`] = { A: [policyAddress] }
    if (player.policy !== undefined) records[`_mta-sts.${domain}`] = { TXT: ['v=STSv1; id=20261101'] }
  }
  return records
}
