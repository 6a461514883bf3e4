/**
 * Domains to be explained: mail exchangers, policy hosts and a name server on loopback, a configuration file, and the
 * command line in front of them; with a whole relay running, or with nothing but the files.
 *
 *   await using world = await ExplainWorld.start({ relay: true, domains: { 'good.test': { policy: { mode: 'enforce', mx: ['mx.good.test'] } } } })
 *   const { code, out } = await world.run('explain', 'good.test', '--connect')
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Explanation, type PolicyCache, parseDomainName, parsePolicyFile } from '@hermetic/policy'
import { runCommandLine } from '../../packages/mta/src/cli/command-line.ts'
import type { Printed } from '../../packages/mta/src/cli/terminal-lab.ts'
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { formatProblem } from '../../packages/mta/src/config/problem.ts'
import { type Relay, startRelay } from '../../packages/mta/src/main.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from './dns-server.ts'
import { onEngineOfTest, seedPolicies } from './engine-of-test.ts'
import { type CertificateVariant, certificateFor } from './policy-certificates.ts'
import { type PolicyAnswer, PolicyHost } from './policy-host.ts'
import type { ScriptedMx } from './scripted-mx.ts'
import { type PolicyOptions, policyText } from './sts-world.ts'
import { addressBlock, type HostOptions, labAuthority, startHost } from './world-host.ts'

export interface ExplainedDomain {
  /** By name; `mx.` and the domain by default. */
  readonly hosts?: Readonly<Record<string, HostOptions>>
  readonly policy?: PolicyOptions
  /** The record is published, unless this says what else is. */
  readonly record?: NameRecords | 'none'
  /** In place of the policy. */
  readonly answer?: PolicyAnswer
  readonly policyHostCertificate?: CertificateVariant
  /** In the cache before anything runs, fetched so long ago. */
  readonly cached?: PolicyOptions & { readonly ageMs: number }
}

export interface ExplainWorldOptions {
  readonly relay: boolean
  readonly domains: Readonly<Record<string, ExplainedDomain>>
  /** More records, or other ones. */
  readonly records?: Readonly<Record<string, NameRecords>>
  /** More TOML, by the port of the mail exchangers. */
  readonly settings?: (smtpPort: number) => string
}

interface Network {
  readonly dns: DnsServer
  readonly mx: ReadonlyMap<string, ScriptedMx>
  readonly policyHosts: ReadonlyMap<string, PolicyHost>
  readonly directory: string
}

export class ExplainWorld implements AsyncDisposable {
  readonly dns: DnsServer
  readonly directory: string
  readonly #network: Network
  readonly #relay: Relay | undefined

  static async start(options: ExplainWorldOptions): Promise<ExplainWorld> {
    const directory = await mkdtemp(join(tmpdir(), 'explain-world-'))
    const network = await startNetwork(options, directory)
    await fillCache(join(directory, 'data'), options)
    return new ExplainWorld(network, options.relay ? await startHere(directory) : undefined)
  }

  /** Use `start`. */
  private constructor(network: Network, relay: Relay | undefined) {
    this.dns = network.dns
    this.directory = network.directory
    this.#network = network
    this.#relay = relay
  }

  mx(name: string): ScriptedMx {
    const mx = this.#network.mx.get(name)
    assert.ok(mx !== undefined, `no host ${name} in this world`)
    return mx
  }

  policyHost(domain: string): PolicyHost {
    const host = this.#network.policyHosts.get(domain)
    assert.ok(host !== undefined, `no policy host of ${domain} in this world`)
    return host
  }

  /** As a terminal of this width when one is given. */
  async run(args: readonly string[], terminal: { readonly columns?: number; readonly colours?: boolean } = {}) {
    const printed = { out: '', err: '' }
    const code = await runCommandLine([...args, '--config', join(this.directory, 'hermetic.toml')], {
      out: (text) => {
        printed.out += text
      },
      err: (text) => {
        printed.err += text
      },
      env: {},
      workingDirectory: this.directory,
      columns: terminal.columns,
      colours: terminal.colours ?? false,
      now: Date.now,
    })
    return { code, ...printed } satisfies Printed
  }

  /** The explanation as `--json` prints it, names in snake_case. */
  async explained(
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly explanation: PrintedExplanation }> {
    const { code, out, err } = await this.run(['explain', ...args, '--json'])
    assert.notEqual(out, '', err)
    return { code, explanation: JSON.parse(out) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { mx, policyHosts, dns, directory } = this.#network
    await this.#relay?.stop('test')
    await Promise.all([...mx.values()].map((host) => host.stop()))
    for (const host of policyHosts.values()) await host[Symbol.asyncDispose]()
    await dns.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** What tests look at. */
export interface PrintedExplanation extends Pick<Explanation, 'version' | 'conclusion' | 'advice' | 'route' | 'by'> {
  readonly mta_sts: {
    readonly state: string
    readonly because?: string
    readonly policy?: { readonly mode: string; readonly from: string; readonly age_seconds: number }
    readonly policy_host?: { readonly kind: string }
  }
  readonly hosts: readonly {
    readonly name: string
    readonly standing: string
    readonly addresses: readonly {
      readonly address: string
      readonly guard: string
      readonly session?: { readonly verdict: string }
    }[]
  }[]
}

async function startNetwork(
  { domains, records: more = {}, settings = () => '' }: ExplainWorldOptions,
  directory: string,
) {
  const ca = await labAuthority()
  const addresses = addressBlock()
  const records: Record<string, NameRecords> = {}
  const mx = new Map<string, ScriptedMx>()
  const policyHosts = new Map<string, PolicyHost>()
  let smtpPort: number | undefined
  let httpsPort: number | undefined
  for (const [domain, explained] of Object.entries(domains)) {
    const { hosts = { [`mx.${domain}`]: {} } } = explained
    for (const [name, host] of Object.entries(hosts)) {
      const address = addresses()
      const started = await startHost({ name, host, address, port: smtpPort, ca })
      smtpPort ??= started.port
      mx.set(name, started)
      records[name] = { A: [address] }
    }
    records[domain] = { MX: Object.keys(hosts).map((name, index) => [10 * (index + 1), name] as const) }
    const policyHost = await startPolicyHost(domain, explained, { address: addresses(), port: httpsPort })
    if (policyHost === undefined) continue
    httpsPort ??= policyHost.port
    policyHosts.set(domain, policyHost)
    records[`mta-sts.${domain}`] = { A: [policyHost.address] }
    if (explained.record !== 'none') {
      records[`_mta-sts.${domain}`] = explained.record ?? { TXT: [`v=STSv1; id=${explained.policy?.id ?? '1'}`] }
    }
  }
  const dns = await startDnsServer({ zones: [zone({ ...records, ...more })] })
  await writeFile(join(directory, 'roots.pem'), ca.certificate)
  const ports = { smtp: smtpPort ?? 25, https: httpsPort ?? 443 }
  const written = `${configuration(dns, ports)}${settings(ports.smtp)}`
  await writeFile(join(directory, 'hermetic.toml'), await onEngineOfTest(written, directory))
  return { dns, mx, policyHosts, directory }
}

async function startPolicyHost(
  domain: string,
  { policy, cached, answer, policyHostCertificate = 'good' }: ExplainedDomain,
  place: { readonly address: string; readonly port: number | undefined },
): Promise<PolicyHost | undefined> {
  const served = answer ?? (policy === undefined ? undefined : { body: policyText(policy) })
  if (served === undefined && cached === undefined) return undefined
  const tls = await certificateFor(`mta-sts.${domain}`, policyHostCertificate, await labAuthority())
  const { address, port } = place
  return PolicyHost.start({ address, tls, ...(port === undefined ? {} : { port }), ...(served && { answer: served }) })
}

function configuration(dns: DnsServer, ports: { readonly smtp: number; readonly https: number }): string {
  return `
hostname = "relay.example.test"
data_dir = "./data"
[dns]
servers = ["${dns.address}:${dns.port}"]
trust = "none"
[trust]
ca_file = "./roots.pem"
[delivery]
port = ${ports.smtp}
[mta_sts]
https_port = ${ports.https}
[egress]
smtp_networks = ["127.0.0.0/8"]
https_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
}

async function fillCache(dataDir: string, { domains }: ExplainWorldOptions): Promise<void> {
  const held = Object.entries(domains).filter(([, { cached }]) => cached !== undefined)
  if (held.length === 0) return
  await mkdir(dataDir, { recursive: true })
  await seedPolicies(dataDir, (cache) => keep(held, cache))
}

async function keep(
  held: readonly (readonly [string, ExplainWorldOptions['domains'][string]])[],
  cache: PolicyCache,
): Promise<void> {
  for (const [domain, { cached }] of held) {
    const name = parseDomainName(domain)
    const policy = cached === undefined ? undefined : parsePolicyFile(Buffer.from(policyText(cached)))
    assert.ok(name.ok && policy?.ok && cached !== undefined)
    const fetchedAt = Date.now() - cached.ageMs
    await cache.put(name.value, {
      ...{ policy: policy.value, id: cached.id ?? '1', fetchedAt },
      refreshAt: Date.now() + 86_400_000,
    })
  }
}

async function startHere(directory: string): Promise<Relay> {
  const config = loadConfig({ file: join(directory, 'hermetic.toml'), env: {} })
  assert.ok(config.ok, config.ok ? '' : config.error.map(formatProblem).join('\n'))
  const relay = await startRelay(config.value, { version: 'test', logStream: { write: () => undefined } })
  assert.ok(relay.ok, JSON.stringify(relay))
  return relay.value
}
