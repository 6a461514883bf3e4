/**
 * A day of mixed traffic through one whole relay and its reports: hosts, policy hosts and an endpoint on loopback, a name
 * server that is believed, people's mail to every domain, then the run of the day. The domains are in
 * `report-day-domains.ts`.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PolicyEntry } from '@hermetic/reporter'
import { generateKeyPem } from '../../packages/mta/src/signing/generate-key.ts'
import { keyFilePath, writeKeyFile } from '../../packages/mta/src/signing/key-files.ts'
import { keyRecordName, reportKeyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import { parseSigningKey, type SigningKey } from '../../packages/mta/src/signing/signing-key.ts'
import type { UtcDay } from '../../packages/reporter/src/utc-day.ts'
import { selfSigned } from './ca.ts'
import { type Printed, runHermetic } from './command-lab.ts'
import { tlsaOf } from './dane-world.ts'
import type { NameRecords } from './dns-server.ts'
import { longEnoughDay } from './long-enough-day.ts'
import { certificateFor } from './policy-certificates.ts'
import { PolicyHost } from './policy-host.ts'
import { DAY_DOMAINS, type DayDomain, type Seen } from './report-day-domains.ts'
import { ReportEndpoint } from './report-endpoint.ts'
import type { ScriptedMx } from './scripted-mx.ts'
import { policyText } from './sts-world.ts'
import { WholeRelay } from './whole-relay.ts'
import { addressBlock, labAuthority, startHost } from './world-host.ts'

export const SENDER = 'sender.example'
export const SELECTOR = 'tlsrpt'
const ENDPOINT = 'reports.collector.test'
const MESSAGES = 3

interface Place {
  readonly mx: ScriptedMx
  readonly policyHost: PolicyHost | undefined
  readonly records: Readonly<Record<string, NameRecords>>
}

interface Network {
  readonly places: ReadonlyMap<string, Place>
  readonly endpoint: ReportEndpoint
  readonly stack: AsyncDisposableStack
}

export class ReportDay implements AsyncDisposable {
  readonly relay: WholeRelay
  readonly endpoint: ReportEndpoint
  readonly day: UtcDay
  readonly key: SigningKey
  readonly #places: ReadonlyMap<string, Place>
  readonly #stack: AsyncDisposableStack

  static async start(): Promise<ReportDay> {
    await using stack = new AsyncDisposableStack()
    const directory = mkdtempSync(join(tmpdir(), 'hermetic-report-day-'))
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const pem = generateKeyPem('rsa')
    const key = parseSigningKey(pem)
    assert.ok(key.ok)
    await writeKeyFile(keyFilePath(join(directory, 'data'), SENDER, SELECTOR), pem)
    const authority = await labAuthority()
    writeFileSync(join(directory, 'roots.pem'), authority.certificate)
    const endpoint = stack.use(await ReportEndpoint.start(await certificateFor(ENDPOINT, 'good', authority)))
    const network = { endpoint, stack, places: await openPlaces(stack) }
    const day = await longEnoughDay()
    const relay = stack.use(
      await WholeRelay.start({
        settings: settings(directory, network.places),
        egress: 'https_networks = ["127.0.0.0/8"]',
        records: recordsOf(network, reportKeyRecordText(key.value)),
        trust: 'ad',
      }),
    )
    for (const [domain, { tlsa }] of Object.entries(DAY_DOMAINS)) {
      if (tlsa === 'bogus') {
        relay.dns.fail(tlsaName(domain, portOf(network.places)), {
          ...{ kind: 'rcode', rcode: 'SERVFAIL' },
          ede: { infoCode: 6 },
        })
      }
    }
    return new ReportDay({ ...network, relay, day, key: key.value, stack: stack.move() })
  }

  /** Use `start`. */
  private constructor(parts: Network & { readonly relay: WholeRelay; readonly day: UtcDay; readonly key: SigningKey }) {
    this.relay = parts.relay
    this.endpoint = parts.endpoint
    this.day = parts.day
    this.key = parts.key
    this.#places = parts.places
    this.#stack = parts.stack
  }

  mx(domain: string): ScriptedMx {
    const place = this.#places.get(domain)
    assert.ok(place !== undefined, domain)
    return place.mx
  }

  reportMails(domain: string): readonly Buffer[] {
    return this.mx(domain)
      .messages.filter(({ recipients }) => recipients.some(({ address }) => address === `tls@${domain}`))
      .map(({ content }) => content)
  }

  /** Mail of people to every domain, until each has arrived or was refused once; and it is counted. */
  async traffic(): Promise<void> {
    await this.#sendTo(Object.keys(DAY_DOMAINS), 1)
    const reached = Object.entries(DAY_DOMAINS).filter(([, { delivers }]) => delivers)
    for (let round = 2; round <= MESSAGES; round += 1) {
      await this.#sendTo(
        reached.map(([domain]) => domain),
        round,
      )
    }
    for (const domain of Object.keys(DAY_DOMAINS)) await this.#counted(domain)
  }

  hermetic(...args: readonly string[]): Promise<Printed> {
    return runHermetic(this.relay.file, 'tlsrpt', ...args)
  }

  run(): Promise<Printed> {
    return this.hermetic('run', '--now', '--day', this.day)
  }

  /** Orders an attempt for the report mails that wait behind a host's last trouble. */
  async hasten(): Promise<void> {
    const ids = this.relay.eventsOf('tlsrpt-report-submitted').flatMap(({ queueId }) => queueId ?? [])
    await runHermetic(this.relay.file, 'queue', 'retry', ...ids)
  }

  /** Sessions as the host saw them, or attempts that ended before they reached it. */
  seen(domain: string, what: Seen): number {
    if (what === 'once') return 1
    const { connections } = this.mx(domain)
    if (what === 'attempts') {
      assert.equal(connections.length, 0, `${domain} is not contacted`)
      return this.#settled(domain)
    }
    const offersTls = DAY_DOMAINS[domain]?.host?.tls !== 'none'
    return connections.filter(({ commands }) => !offersTls || commands.includes('STARTTLS')).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  async #sendTo(domains: readonly string[], round: number): Promise<void> {
    const client = await this.relay.greeted()
    for (const domain of domains) {
      await client.command('MAIL FROM:<a@people.example>')
      await client.command(`RCPT TO:<bob@${domain}>`)
      await client.command('DATA')
      client.send('Subject: hello\r\nFrom: <a@people.example>\r\n\r\nhello\r\n.\r\n')
      assert.equal((await client.reply())?.code, 250)
    }
    await client.quit()
    await this.relay.until(() => domains.every((domain) => this.#settled(domain) >= round), `round ${round}`)
  }

  #settled(domain: string): number {
    return this.relay.eventsOf('message-settled').filter(({ lane }) => lane.includes(domain)).length
  }

  /** What the relay shows of the domain is what its report must say; the last second is on its way. */
  async #counted(domain: string): Promise<void> {
    const wanted = expectedCounts(this, domain).length
    for (let tries = 0; tries < 100; tries += 1) {
      const { out } = await this.hermetic('show', domain, 'today', '--json')
      const { policies } = JSON.parse(out) as { readonly policies: readonly PolicyEntry[] }
      if (policies.length >= wanted && countsIn(policies).join() === expectedCounts(this, domain).join()) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { out } = await this.hermetic('show', domain, 'today')
    throw new assert.AssertionError({ message: `${domain}: not ${expectedCounts(this, domain)} but\n${out}` })
  }
}

/** `sts: 3 good`, `tlsa: 1 failed (dnssec-invalid)`, in the order of their words. */
export function countsIn(policies: readonly PolicyEntry[]): readonly string[] {
  return policies
    .map(({ policy, summary, 'failure-details': details }) => {
      const { 'total-successful-session-count': fine, 'total-failure-session-count': bad } = summary
      const types = [...new Set(details.map((detail) => detail['result-type']))].join(' ')
      return `${policy['policy-type']}: ${fine} good, ${bad} failed${types === '' ? '' : ` (${types})`}`
    })
    .toSorted()
}

/** The same, as the hosts saw it. */
export function expectedCounts(day: Pick<ReportDay, 'seen'>, domain: string): readonly string[] {
  return (DAY_DOMAINS[domain]?.expected ?? [])
    .map(({ type, seen, failed }) => {
      const count = day.seen(domain, seen)
      return failed === undefined ? `${type}: ${count} good, 0 failed` : `${type}: 0 good, ${count} failed (${failed})`
    })
    .toSorted()
}

async function openPlaces(stack: AsyncDisposableStack): Promise<ReadonlyMap<string, Place>> {
  const nextAddress = addressBlock()
  const places = new Map<string, Place>()
  let ports: { readonly mail: number; readonly https: number | undefined } | undefined
  for (const [domain, about] of Object.entries(DAY_DOMAINS)) {
    const place = await openPlace(domain, about, { nextAddress, stack, ports })
    places.set(domain, place)
    ports = { mail: place.mx.port, https: ports?.https ?? place.policyHost?.port }
  }
  return places
}

async function openPlace(
  domain: string,
  { host = {}, policy, policyHost: fault, tlsa }: DayDomain,
  parts: {
    readonly nextAddress: () => string
    readonly stack: AsyncDisposableStack
    readonly ports: { readonly mail: number; readonly https: number | undefined } | undefined
  },
): Promise<Place> {
  const { nextAddress, stack, ports } = parts
  const name = `mx.${domain}`
  const ca = await labAuthority()
  const own = await (host.tls === 'self-signed' ? selfSigned({ names: [name] }) : ca.issue({ names: [name] }))
  const pair = tlsa === undefined ? {} : { pair: { key: own.key, cert: own.chain } }
  const mx = stack.use(
    await startHost({ name, address: nextAddress(), port: ports?.mail, ca, host: { ...host, ...pair } }),
  )
  const shown = tlsa === 'other' ? await selfSigned({ names: [name] }) : own
  const record = tlsaOf(shown.certificate, 3)
  const published = tlsa === 'unusable' ? { ...record, usage: 1 } : record
  const records = {
    [domain]: { MX: [[10, name]] as const },
    [name]: { A: [mx.address] },
    ...(tlsa === undefined ? {} : { [tlsaName(domain, mx.port)]: { TLSA: [published] } }),
  }
  if (policy === undefined) return { mx, records, policyHost: undefined }
  const tls = await certificateFor(`mta-sts.${domain}`, fault === 'expired' ? 'expired' : 'good', ca)
  const body = fault === 'malformed' ? 'version: STSv1\nmode: enforce\n' : policyText(policy)
  const policyHost = stack.use(
    await PolicyHost.start({
      ...{ tls, address: nextAddress(), answer: fault === 'missing' ? { status: 404 } : { body } },
      ...(ports?.https === undefined ? {} : { port: ports.https }),
    }),
  )
  const policyRecords = {
    [`mta-sts.${domain}`]: { A: [policyHost.address] },
    [`_mta-sts.${domain}`]: { TXT: ['v=STSv1; id=1'] },
  }
  return { mx, policyHost, records: { ...records, ...policyRecords } }
}

function tlsaName(domain: string, port: number): string {
  return `_${port}._tcp.mx.${domain}`
}

function portOf(places: ReadonlyMap<string, Place>): number {
  const [first] = places.values()
  assert.ok(first !== undefined)
  return first.mx.port
}

function settings(directory: string, places: ReadonlyMap<string, Place>): string {
  const httpsPort = [...places.values()].find(({ policyHost }) => policyHost !== undefined)?.policyHost?.port
  const demanded = Object.entries(DAY_DOMAINS).filter(([, { require }]) => require !== undefined)
  return `
data_dir = "${directory}/data"
[tlsrpt]
enabled = true
organization = "Sender Inc."
contact = "tlsrpt@${SENDER}"
selector = "${SELECTOR}"
[trust]
ca_file = "${directory}/roots.pem"
[mta_sts]
https_port = ${httpsPort}
[delivery]
port = ${portOf(places)}
${demanded.map(([domain, { require }]) => `[[policy_override]]\ndomain = "${domain}"\nrequire = "${require}"\n`).join('')}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
}

function recordsOf({ places, endpoint }: Network, keyRecord: string): Readonly<Record<string, NameRecords>> {
  const uris = (domain: string, { wants }: DayDomain): readonly string[] =>
    wants.map((way) =>
      way === 'mail' ? `mailto:tls@${domain}` : `https://${ENDPOINT}:${endpoint.port}/in?of=${domain}`,
    )
  const asked = Object.entries(DAY_DOMAINS).flatMap(([domain, about]) =>
    about.wants.length === 0
      ? []
      : [[`_smtp._tls.${domain}`, { TXT: [`v=TLSRPTv1; rua=${uris(domain, about).join(',')}`] }] as const],
  )
  const records: Readonly<Record<string, NameRecords>> = {
    '.': { SOA: true },
    [ENDPOINT]: { A: [endpoint.address] },
    [keyRecordName(SENDER, SELECTOR)]: { TXT: [keyRecord.match(/.{1,255}/g) ?? []] },
    ...Object.assign({}, ...[...places.values()].map((place) => place.records)),
    ...Object.fromEntries(asked),
  }
  return Object.fromEntries(Object.entries(records).map(([name, one]) => [name, { ...one, secure: true }]))
}

/** Where reports are wanted that way. */
export function domainsBy(way: 'mail' | 'https'): readonly string[] {
  return Object.keys(DAY_DOMAINS).filter((domain) => DAY_DOMAINS[domain]?.wants.includes(way))
}

/** What the operator demands of a domain keeps its report mails back as well. */
export function mailedDomains(): readonly string[] {
  return domainsBy('mail').filter((domain) => DAY_DOMAINS[domain]?.require === undefined)
}
