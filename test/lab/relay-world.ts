/**
 * A small world around the delivery side of the relay: real DNS, scripted mail exchangers, the real spool, the real
 * scheduler, all on loopback. A test says which domains and hosts there are and what differs from the happy path.
 *
 *   await using world = await RelayWorld.start({ hosts: { 'mx.example.test': {} }, mx: { 'example.test': [[10, 'mx.example.test']] } })
 *   const id = await world.submit({ to: ['bob@example.test'] })
 *   await world.settled(id)
 *
 * Every mail exchanger has an address of its own in 127/8 and the same port, as on the Internet.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createDaneSource,
  createStubResolver,
  type DomainName,
  type EmitPolicyEvent,
  judgeAddress,
  type PolicyEvent,
  parseCidr,
  parseDomainName,
  type StubResolver,
} from '@hermetic/policy'
import type { BounceEvent } from '../../packages/mta/src/bounce/events.ts'
import { createDelivery, type Delivery, type DeliveryOptions } from '../../packages/mta/src/delivery/delivery.ts'
import type { DeliveryEvent } from '../../packages/mta/src/delivery/events.ts'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import type { DeliveryProblem } from '../../packages/mta/src/delivery/outcome.ts'
import {
  laneFor,
  laneForNotice,
  type RouteTable,
  type RoutingOptions,
} from '../../packages/mta/src/delivery/routing.ts'
import { defaultPool } from '../../packages/mta/src/delivery/source-address.ts'
import type { LaneScheduler } from '../../packages/mta/src/schedule/lane-scheduler.ts'
import { messageExpiry } from '../../packages/mta/src/schedule/retry-schedule.ts'
import type { Envelope, Recipient } from '../../packages/mta/src/smtp/envelope.ts'
import { type MailAddress, nullReversePath, parseLiteral } from '../../packages/mta/src/smtp/mail-address.ts'
import { DEFAULT_TIMEOUTS } from '../../packages/mta/src/smtp/timeouts.ts'
import { newQueueId, type QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { NewMessage, QueueEntry, QueueRecipient } from '../../packages/mta/src/spool/spool.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from './dns-server.ts'
import { type EngineEvent, type EngineOfTest, openEngineOfTest, openSpoolOfTest } from './engine-of-test.ts'
import type { ScriptedMx } from './scripted-mx.ts'
import { addressBlock, type HostOptions, labAuthority, startHost } from './world-host.ts'

export type WorldEvent = DeliveryEvent | BounceEvent | EngineEvent | PolicyEvent

export interface WorldOptions {
  /** Mail exchangers by name. Several addresses: the host listens on the last, nothing on the others. */
  readonly hosts?: Readonly<Record<string, HostOptions>>
  /** Hosts with an address on which nobody listens. */
  readonly deadHosts?: readonly string[]
  readonly mx?: Readonly<Record<string, readonly (readonly [number, string])[]>>
  /** More records, or other ones. */
  readonly records?: Readonly<Record<string, NameRecords>>
  readonly delivery?: Partial<DeliveryOptions>
  readonly slots?: number
  readonly permitsPerSite?: number
  /** The spool as delivery sees it, to fail on purpose. */
  readonly faultySpool?: (spool: StoredSpool) => DeliveryOptions['spool']
  /** Accepted by an earlier run that died while these were in flight; the spool sets them aside. */
  readonly crashedWith?: readonly Submission[]
  /** Smarthosts; the port of the hosts is an argument. */
  readonly routes?: (port: number) => RouteTable
  /** Addresses in 127/8 are refused as on the Internet. */
  readonly guardLoopback?: boolean
  readonly dnsTimeoutMs?: number
  /** Every zone is signed and validated (but for names that say otherwise), and DANE is on. */
  readonly dnssec?: { readonly insecureMx?: 'use' | 'ignore' }
  /** Whom to ask for MTA-STS policies; nobody by default. `sts-world.ts` has policy hosts. */
  readonly policySource?: (parts: PolicySourceParts) => NonNullable<DeliveryOptions['sts']>
}

export interface PolicySourceParts {
  readonly resolver: StubResolver
  readonly dataDir: string
  readonly emit: EmitPolicyEvent
}

export interface Submission {
  readonly from?: string
  readonly to: readonly string[]
  readonly content?: string | Uint8Array
  readonly envelope?: Partial<Envelope>
  readonly recipient?: Partial<Recipient>
  readonly receivedAt?: number
  readonly expiresAt?: number
  /** Do not wake the lane. */
  readonly quiet?: boolean
}

const WAIT_MS = 10_000
const SHORT_TIMEOUTS = { ...DEFAULT_TIMEOUTS, connectMs: 2_000, greetingMs: 2_000, tlsHandshakeMs: 2_000, quitMs: 500 }

export class RelayWorld implements AsyncDisposable {
  readonly spool: StoredSpool
  /** Messages of the earlier run. */
  readonly suspects: readonly QueueId[]
  /** What `createDelivery` got. */
  readonly deliveryOptions: DeliveryOptions
  readonly scheduler: LaneScheduler
  readonly delivery: Delivery
  readonly dns: DnsServer
  readonly events: WorldEvent[]
  readonly port: number
  /** What DNS says at first, hosts included. */
  readonly records: Readonly<Record<string, NameRecords>>
  readonly #engine: EngineOfTest
  readonly #mx: ReadonlyMap<string, ScriptedMx>
  readonly #routing: Routing
  readonly #secure: boolean
  readonly #resolver: StubResolver
  readonly #dataDir: string
  #stopped = false

  static async start(options: WorldOptions): Promise<RelayWorld> {
    const network = await startNetwork(options)
    const dataDir = await mkdtemp(join(tmpdir(), 'relay-world-'))
    const events: WorldEvent[] = []
    const suspects = await crash(dataDir, options.crashedWith ?? [], routingOf(options, network.port))
    const engine = await openEngineOfTest({
      dataDir,
      permitsPerSite: options.permitsPerSite ?? 20,
      emit: (event) => void events.push(event),
    })
    const world = new RelayWorld(options, { ...network, dataDir, events, suspects, engine })
    await world.scheduler.run(world.delivery.turn, { slots: options.slots ?? 8 })
    return world
  }

  /** Use `start`. */
  private constructor(options: WorldOptions, parts: Parts) {
    this.#engine = parts.engine
    this.spool = parts.engine.spool
    this.scheduler = parts.engine.scheduler
    this.events = parts.events
    this.suspects = parts.suspects
    this.dns = parts.dns
    this.port = parts.port
    this.records = parts.records
    this.#mx = parts.mx
    this.#routing = routingOf(options, parts.port)
    this.#dataDir = parts.dataDir
    this.#secure = options.dnssec !== undefined
    this.#resolver = createStubResolver({
      servers: [{ address: parts.dns.address, port: parts.dns.port }],
      trust: options.dnssec === undefined ? 'none' : 'ad',
      timeoutMs: options.dnsTimeoutMs ?? 200,
      attempts: 1,
    })
    const emit = (event: WorldEvent): void => {
      this.events.push(event)
    }
    const exceptions = options.guardLoopback === true ? [] : LOOPBACK
    this.deliveryOptions = {
      spool: options.faultySpool?.(this.spool) ?? this.spool,
      scheduler: this.scheduler,
      permits: parts.engine.permits,
      resolver: this.#resolver,
      hostname: 'relay.lab.test',
      postmaster: 'postmaster@relay.lab.test',
      self: { names: [domain('relay.lab.test')] },
      guard: (address, port) => judgeAddress(address, { exceptions, ownListeners: [], port }),
      smarthostGuard: (address, port) => judgeAddress(address, { exceptions: LOOPBACK, ownListeners: [], port }),
      ...deliveredBy(this.#routing),
      ca: parts.ca,
      emit,
      now: Date.now,
      monotonic: () => performance.now(),
      random: Math.random,
      timeouts: SHORT_TIMEOUTS,
      ...this.#policySource(options, emit),
      ...this.#daneSource(options),
      ...options.delivery,
    }
    this.delivery = createDelivery(this.deliveryOptions)
  }

  mx(name: string): ScriptedMx {
    const mx = this.#mx.get(name)
    assert.ok(mx !== undefined, `no host ${name} in this world`)
    return mx
  }

  /** Accepts a message into the spool and wakes its lanes, as the submission side does. */
  async submit(submission: Submission): Promise<QueueId> {
    const message = newMessage(submission, this.#routing)
    const outcome = await this.spool.accept(message)
    assert.equal(outcome.kind, 'accepted')
    if (submission.quiet !== true) for (const { lane } of message.deliveries) this.scheduler.wake(lane)
    return message.id
  }

  /** Waits until this many attempts on the message are settled (one by default). */
  async settled(id: QueueId, times = 1): Promise<void> {
    const count = (): number =>
      this.events.filter((event) => event.event === 'message-settled' && event.id === id).length
    await this.until(() => count() >= times, `${id} was not settled`)
  }

  async until(condition: () => boolean, what = condition.toString()): Promise<void> {
    const giveUpAt = Date.now() + WAIT_MS
    while (!condition()) {
      assert.ok(Date.now() < giveUpAt, `${what}\n${this.#story()}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  eventsOf<E extends WorldEvent['event']>(event: E): readonly (WorldEvent & { readonly event: E })[] {
    return this.events.filter((one): one is WorldEvent & { readonly event: E } => one.event === event)
  }

  /** Replaces what DNS says. */
  serve(records: Readonly<Record<string, NameRecords>>): void {
    this.dns.serve(zone(records, { ttl: 300, secure: this.#secure }))
  }

  lane(domainName: string): LaneId {
    return laneForNotice(address(`x@${domainName}`), this.#routing)
  }

  /** Why the first recipient of the message that failed for good did so. */
  failure(id: QueueId): DeliveryProblem | undefined {
    return this.eventsOf('message-settled').find((event) => event.id === id && event.summary.failed > 0)?.problem
  }

  async show(id: QueueId): Promise<QueueEntry> {
    const entry = await this.spool.admin.show(id)
    assert.ok(entry !== undefined, `${id} is not in the spool`)
    return entry
  }

  /** The recipient as the spool keeps it, by address. */
  async recipient(id: QueueId, address: string): Promise<QueueRecipient> {
    const { deliveries } = await this.show(id)
    const found = deliveries
      .flatMap(({ recipients }) => recipients)
      .find(({ address: one }) => `${one.localPart}@${'name' in one.domain ? one.domain.name : ''}` === address)
    assert.ok(found !== undefined, `no recipient ${address}`)
    return found
  }

  /** SIGTERM, as `main.ts` does it. */
  async stop(graceMs = 5_000): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.scheduler.stop(graceMs)
    await this.delivery.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mx of this.#mx.values()) if (!this.#stopped) void mx.stop()
    await this.stop()
    await this.#engine.close()
    this.#resolver.close()
    await this.dns.close()
    await Promise.all([...this.#mx.values()].map((mx) => mx.stop()))
    await rm(this.#dataDir, { recursive: true, force: true })
  }

  #policySource({ policySource }: WorldOptions, emit: EmitPolicyEvent): Pick<DeliveryOptions, 'sts'> {
    if (policySource === undefined) return {}
    return { sts: policySource({ resolver: this.#resolver, dataDir: this.#dataDir, emit }) }
  }

  #daneSource({ dnssec }: WorldOptions): Pick<DeliveryOptions, 'dane'> {
    if (dnssec === undefined) return {}
    return { dane: createDaneSource({ resolver: this.#resolver, insecureMx: dnssec.insecureMx ?? 'use' }) }
  }

  #story(): string {
    return this.events.map((event) => JSON.stringify(event)).join('\n')
  }
}

type Routing = Pick<RoutingOptions, 'port' | 'routes' | 'pool'>

function routingOf({ routes, delivery }: WorldOptions, port: number): Routing {
  const pool = defaultPool(delivery?.sources)
  return { port, ...(routes === undefined ? {} : { routes: routes(port) }), ...(pool === undefined ? {} : { pool }) }
}

function deliveredBy({ port, routes }: Routing): Pick<DeliveryOptions, 'port' | 'routes'> {
  return routes === undefined ? { port } : { port, routes }
}

interface Network {
  readonly records: Readonly<Record<string, NameRecords>>
  readonly dns: DnsServer
  readonly mx: ReadonlyMap<string, ScriptedMx>
  readonly port: number
  readonly ca: readonly string[]
}

interface Parts extends Network {
  readonly dataDir: string
  readonly engine: EngineOfTest
  readonly suspects: readonly QueueId[]
  readonly events: WorldEvent[]
}

/** What an earlier run leaves that was killed with these messages in flight. */
async function crash(
  dataDir: string,
  submissions: readonly Submission[],
  routing: Routing,
): Promise<readonly QueueId[]> {
  if (submissions.length === 0) return []
  const messages = submissions.map((submission) => newMessage(submission, routing))
  const spool = await openSpoolOfTest({ dataDir, emit: () => undefined })
  for (const message of messages) assert.equal((await spool.accept(message)).kind, 'accepted')
  await spool.close()
  await writeFile(join(dataDir, 'claims.journal'), messages.map(({ id }) => `+${id}\n`).join(''))
  return messages.map(({ id }) => id)
}

async function startNetwork(options: WorldOptions): Promise<Network> {
  const ca = await labAuthority()
  const addresses = addressBlock()
  const records: Record<string, NameRecords> = {}
  const hosts = new Map<string, ScriptedMx>()
  let port: number | undefined
  for (const [name, host] of Object.entries(options.hosts ?? {})) {
    const dead = Array.from({ length: host.deadAddresses ?? 0 }, () => addresses())
    const address = addresses()
    const mx = await startHost({ name, host, address, port, ca })
    port ??= mx.port
    hosts.set(name, mx)
    records[name] = { A: [...dead, address] }
  }
  for (const name of options.deadHosts ?? []) records[name] = { A: [addresses()] }
  for (const [name, list] of Object.entries(options.mx ?? {})) records[name] = { ...records[name], MX: list }
  const all = { ...records, ...options.records }
  const dns = await startDnsServer({ zones: [zone(all, { ttl: 300, secure: options.dnssec !== undefined })] })
  return { records: all, dns, mx: hosts, port: port ?? 25, ca: [ca.certificate] }
}

function newMessage(submission: Submission, routing: Routing): NewMessage {
  const { from = 'alice@sender.test', to, receivedAt = Date.now() } = submission
  const body = submission.content ?? `From: <${from}>\r\nTo: <${to[0]}>\r\nSubject: lab\r\n\r\nHello\r\n`
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const recipients = to.map((text, index) => ({ index, address: address(text), ...submission.recipient }))
  const lanes = Map.groupBy(recipients, (recipient) =>
    laneFor(
      { recipient: recipient.address, sender: from === '' ? nullReversePath : address(from), attempt: 1 },
      routing,
    ),
  )
  return {
    id: newQueueId(),
    envelope: {
      reversePath: from === '' ? nullReversePath : address(from),
      body: '7bit',
      smtpUtf8: false,
      tls: 'default',
      dsn: {},
      size: bytes.length,
      origin: { kind: 'network', address: '127.0.0.1' },
      ...(lanes.size > 1 ? { lanes: lanes.size } : {}),
      ...submission.envelope,
    },
    recipients,
    deliveries: [...lanes].map(([lane, some]) => ({ lane, recipients: some.map(({ index }) => index) })),
    receivedAt,
    expiresAt: submission.expiresAt ?? messageExpiry({ receivedAt, nullReversePath: from === '' }),
    content: { kind: 'memory', bytes },
  }
}

export function address(text: string): MailAddress {
  const at = text.lastIndexOf('@')
  const literal = parseLiteral(text.slice(at + 1))
  const localPart = text.slice(0, at)
  return { localPart, domain: literal ?? { kind: 'name', name: domain(text.slice(at + 1)) } }
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok, `${text} is a domain name`)
  return name.value
}

function cidr(text: string) {
  const parsed = parseCidr(text)
  assert.ok(parsed.ok, text)
  return parsed.value
}

const LOOPBACK = [cidr('127.0.0.0/8'), cidr('::1/128')]
