/**
 * Mail exchangers that can be replaced by strangers at the same addresses, who show another certificate or hide
 * STARTTLS, and take whatever they are given. For the test that kills the validator while mail flows.
 */
import assert from 'node:assert/strict'
import { type IssuedCertificate, selfSigned } from '../lab/ca.ts'
import { ScriptedMx, type ScriptedMxOptions } from '../lab/scripted-mx.ts'
import { keyDigest } from './dane-domains.ts'
import { freePort } from './relay-instance.ts'
import type { LabZone } from './signed-zones.ts'

/** `name` has a mail exchanger at `mx.<name>`; what stands there while the validator is dead. */
export const DOMAINS = [
  { name: 'one.test', records: true, stranger: 'other-certificate' },
  { name: 'two.test', records: true, stranger: 'no-starttls' },
  { name: 'plain.test', records: false, stranger: 'none' },
] as const
/** More domains of the same hosts: their lanes have not failed yet when they are needed. */
export const DEAD = { 'dead-one.test': 'one.test', 'dead-two.test': 'two.test' } as const
export const LATE = { 'late-one.test': 'one.test', 'late-two.test': 'two.test' } as const

/** The mail exchangers of all domains, on one port. */
export class Hosts implements AsyncDisposable {
  readonly port: number
  readonly strangers: ScriptedMx[] = []
  readonly #owners: ReadonlyMap<string, Owner>
  readonly #former: ScriptedMx[] = []
  #standing: ReadonlyMap<string, ScriptedMx>

  static async start(): Promise<Hosts> {
    const port = await freePort()
    const owners = await Promise.all(
      DOMAINS.map(async ({ name, stranger }, index) => {
        const certificate = await selfSigned({ names: [`mx.${name}`] })
        return [name, { certificate, stranger, address: `127.${(port % 200) + 20}.0.${10 + index}` }] as const
      }),
    )
    const hosts = new Hosts(port, new Map(owners))
    await hosts.takeBack()
    return hosts
  }

  private constructor(port: number, owners: ReadonlyMap<string, Owner>) {
    this.port = port
    this.#owners = owners
    this.#standing = new Map()
  }

  zones(): readonly LabZone[] {
    const own = DOMAINS.map(({ name, records }): LabZone => {
      const { address, certificate } = this.#owner(name)
      const found = ['@ MX 10 mx', `mx A ${address}`]
      if (!records) return { name, ttl: 1, dnssec: 'unsigned', records: found }
      // The worst that can be: the way to the host is known for long, what it must prove for a second.
      const tlsa = `_${this.port}._tcp.mx 1 TLSA 3 1 1 ${keyDigest(certificate.certificate)}`
      return { name, ttl: 300, records: [...found, tlsa] }
    })
    const more = Object.entries({ ...DEAD, ...LATE }).map(([name, as]) => ({
      name,
      ttl: 300,
      records: [`@ MX 10 mx.${as}.`],
    }))
    return [...own, ...more]
  }

  /** The strangers go, the owners listen. */
  async takeBack(): Promise<void> {
    await this.#replace(({ certificate }) => tlsOf(certificate))
    this.#former.push(...this.#standing.values())
  }

  async replaceByStrangers(): Promise<void> {
    const other = await selfSigned()
    await this.#replace(({ stranger, certificate }) => {
      if (stranger === 'no-starttls') return {}
      return tlsOf(stranger === 'none' ? certificate : other)
    })
    const strangers = DOMAINS.flatMap(({ name, stranger }) =>
      stranger === 'none' ? [] : (this.#standing.get(name) ?? []),
    )
    this.strangers.push(...strangers)
    this.#former.push(...[...this.#standing.values()].filter((mx) => !strangers.includes(mx)))
  }

  /** Numbers of the messages that its owners have got. */
  arrived(domain: string): ReadonlySet<string> {
    return new Set(this.#messages().flatMap(({ to, number }) => (to === domain ? [number] : [])))
  }

  /** Domains of the messages that came without TLS. */
  inClear(): readonly string[] {
    return this.#messages().flatMap(({ to, inTls }) => (inTls ? [] : [to]))
  }

  count(): number {
    return this.#messages().length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#standing.values()].map((mx) => mx.stop()))
  }

  async #replace(how: (owner: Owner) => ScriptedMxOptions): Promise<void> {
    await Promise.all([...this.#standing.values()].map((mx) => mx.stop()))
    const listening = [...this.#owners].map(async ([name, owner]) => {
      const mx = await ScriptedMx.start({ address: owner.address, port: this.port, ...how(owner) })
      return [name, mx] as const
    })
    this.#standing = new Map(await Promise.all(listening))
  }

  #messages() {
    return this.#former.flatMap(({ messages }) =>
      messages.map(({ content, inTls }) => {
        const [, to = '', number = ''] = /^Subject: (\S+) (\d+)\r$/m.exec(content.toString('latin1')) ?? []
        return { to, number, inTls }
      }),
    )
  }

  #owner(name: string): Owner {
    const owner = this.#owners.get(name)
    assert.ok(owner !== undefined)
    return owner
  }
}

interface Owner {
  readonly address: string
  readonly certificate: IssuedCertificate
  readonly stranger: (typeof DOMAINS)[number]['stranger']
}

function tlsOf({ key, certificate }: IssuedCertificate): ScriptedMxOptions {
  return { tls: { key, cert: certificate } }
}
