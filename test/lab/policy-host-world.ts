/**
 * What it takes to fetch from policy hosts on loopback: a name server, an authority that is believed, and clients
 * whose guard makes an exception for as much of loopback as a test says.
 */
import {
  createStubResolver,
  type DomainName,
  GuardedHttps,
  type GuardedHttpsOptions,
  judgeAddress,
  parseCidr,
  parseDomainName,
  type StubResolver,
} from '@hermetic/policy'
import { type Authority, createAuthority } from './ca.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from './dns-server.ts'
import { type CertificateVariant, certificateFor } from './policy-certificates.ts'
import { PolicyHost, type PolicyHostOptions } from './policy-host.ts'

export interface ClientOptions extends Partial<Omit<GuardedHttpsOptions, 'guard'>> {
  /** Networks that may be dialled although they are special; all of 127/8 by default. */
  readonly exceptions?: readonly string[]
}

export class PolicyHostWorld implements AsyncDisposable {
  readonly authority: Authority
  readonly dns: DnsServer
  /** One array for all clients: its roots are parsed once. */
  readonly #roots: readonly string[]
  readonly #open: AsyncDisposable[] = []
  readonly #resolvers: StubResolver[] = []
  #records: Readonly<Record<string, NameRecords>> = {}

  static async start(): Promise<PolicyHostWorld> {
    return new PolicyHostWorld(await createAuthority(), await startDnsServer())
  }

  /** Use `start`. */
  private constructor(authority: Authority, dns: DnsServer) {
    this.authority = authority
    this.#roots = [authority.certificate]
    this.dns = dns
  }

  /** Adds to what the name server knows; records of the same name are replaced. */
  publish(records: Readonly<Record<string, NameRecords>>): void {
    this.#records = { ...this.#records, ...records }
    this.dns.serve(zone(this.#records))
  }

  /** A policy host for `mta-sts.` and the domain, and its address in the zone. */
  async policyHost(
    domain: string,
    {
      certificate = 'good',
      tls = {},
      ...options
    }: Partial<PolicyHostOptions> & { readonly certificate?: CertificateVariant } = {},
  ): Promise<PolicyHost> {
    const name = `mta-sts.${domain}`
    const pair = await certificateFor(name, certificate, this.authority)
    const host = await PolicyHost.start({ ...options, tls: { ...pair, ...tls } })
    this.#open.push(host)
    this.publish({ [name]: { A: [host.address] } })
    return host
  }

  client({ exceptions = ['127.0.0.0/8'], ...options }: ClientOptions = {}): GuardedHttps {
    const networks = exceptions.map((text) => {
      const network = parseCidr(text)
      if (!network.ok) throw new Error(`no network: ${text}`)
      return network.value
    })
    return new GuardedHttps({
      resolver: this.resolver(),
      guard: (address, port) => judgeAddress(address, { exceptions: networks, ownListeners: [], port }),
      ca: this.#roots,
      ...options,
    })
  }

  /** A new one each time: nothing is cached from test to test. */
  resolver(): StubResolver {
    const { address, port } = this.dns
    const resolver = createStubResolver({ servers: [{ address, port }], trust: 'none', timeoutMs: 1000, attempts: 1 })
    this.#resolvers.push(resolver)
    return resolver
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resolver of this.#resolvers) resolver.close()
    for (const one of this.#open) await one[Symbol.asyncDispose]()
    await this.dns.close()
  }
}

export function domainName(text: string): DomainName {
  const parsed = parseDomainName(text)
  if (!parsed.ok) throw new Error(`no domain name: ${text}`)
  return parsed.value
}
