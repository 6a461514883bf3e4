/**
 * What the contract suite and the anomaly suite share: a data_dir of its own with settable clocks, and messages and
 * outcomes in which a test names only what it is about.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type LaneId, laneId } from '../delivery/lane.ts'
import type { DeliveryProblem, RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import { type MailAddress, parseLiteral } from '../smtp/mail-address.ts'
import { SpoolFaults } from './faults.ts'
import { newQueueId } from './queue-id.ts'
import type { Claim, NewMessage, Settlement, Spool } from './spool.ts'

/** Noon of some day: all times in tests are relative to it. */
export const NOON = Date.UTC(2026, 10, 22, 12)
export const LEASE_MS = 60_000
/** Small, so that the reserve that a spool keeps is small too. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

/** Everything that an adapter opens a spool with, for one test. */
export interface SpoolPlace {
  readonly dataDir: string
  readonly maxBytes: number
  readonly clock: { now: number; mono: number }
  readonly disk: { freeBytes: number }
  readonly faults: SpoolFaults
  /** How long an accept may take; a test that names none never waits for it. */
  readonly acceptMs: number | undefined
  /** Event names in the order in which they were emitted. */
  readonly events: string[]
}

export type OpenSpool<S extends Spool = Spool> = (place: SpoolPlace) => Promise<S>

/** A spool on a place of its own; closed and removed when the test ends. */
export class SpoolWorld<S extends Spool = Spool> {
  readonly place: SpoolPlace
  readonly #open: OpenSpool<S>
  #spool: S | undefined

  constructor(
    t: TestContext,
    open: OpenSpool<S>,
    options: { readonly maxBytes?: number; readonly acceptMs?: number } = {},
  ) {
    this.#open = open
    this.place = {
      dataDir: mkdtempSync(join(tmpdir(), 'spool-')),
      maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
      clock: { now: NOON, mono: 1000 },
      disk: { freeBytes: DEFAULT_MAX_BYTES },
      faults: new SpoolFaults(),
      acceptMs: options.acceptMs,
      events: [],
    }
    t.after(async () => {
      await this.#spool?.close()
      rmSync(this.place.dataDir, { recursive: true, force: true })
    })
  }

  /** Opens the spool; again: closes it first, as a restart does. */
  async open(): Promise<S> {
    await this.#spool?.close()
    this.#spool = await this.#open(this.place)
    return this.#spool
  }

  pass(ms: number): void {
    this.place.clock.now += ms
    this.place.clock.mono += ms
  }
}

/** Waits for what happens soon by itself, e.g. a trial commit; fails loudly when it does not. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not happen in time: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function literal(address: string): MailAddress['domain'] {
  const domain = parseLiteral(`[${address}]`)
  if (domain === undefined) throw new Error(`${address} is not an address`)
  return domain
}

export function lane(n = 1): LaneId {
  return laneId({ kind: 'mx', nextHop: literal(`192.0.2.${n}`), port: 25 })
}

export function address(localPart: string, n = 1): MailAddress {
  return { localPart, domain: literal(`192.0.2.${n}`) }
}

export function envelope(more: Partial<Envelope> = {}): Envelope {
  return {
    reversePath: address('sender', 200),
    body: '7bit',
    smtpUtf8: false,
    tls: 'default',
    dsn: {},
    size: 6,
    origin: { kind: 'network', address: '127.0.0.1' },
    ...more,
  }
}

/** A message with one recipient per lane number, each in a delivery of its own. */
export function message(lanes: readonly number[] = [1], more: Partial<NewMessage> = {}): NewMessage {
  const recipients: Recipient[] = lanes.map((n, index) => ({ index, address: address(`r${index}`, n) }))
  return {
    id: newQueueId(),
    envelope: envelope(),
    recipients,
    deliveries: lanes.map((n, index) => ({ lane: lane(n), recipients: [index] })),
    receivedAt: NOON,
    expiresAt: NOON + 432_000_000,
    content: { kind: 'memory', bytes: Buffer.from('Hello\n') },
    ...more,
  }
}

/** A message with so many recipients in one delivery. */
export function messageToMany(count: number, more: Partial<NewMessage> = {}): NewMessage {
  const indices = Array.from({ length: count }, (_, index) => index)
  return message([1], {
    recipients: indices.map((index) => ({ index, address: address(`r${index}`) })),
    deliveries: [{ lane: lane(), recipients: indices }],
    ...more,
  })
}

export function problem(more: Partial<DeliveryProblem> = {}): DeliveryProblem {
  return {
    cause: { kind: 'connect-failed', code: 'ECONNREFUSED' },
    status: '4.4.1',
    permanence: 'transient',
    fault: 'network',
    scope: 'host',
    at: NOON,
    ...more,
  }
}

export function delivered(index = 0): RecipientOutcome {
  const remote = { mxHostname: 'mx.example.com', address: '192.0.2.1', port: 25 }
  return { kind: 'delivered', index, reply: { code: 250, lines: ['ok'] }, remote }
}

export function failed(index = 0): RecipientOutcome {
  return { kind: 'failed', index, problem: problem({ status: '5.1.1', permanence: 'permanent', scope: 'recipient' }) }
}

export function deferred(index = 0, afterMs = 300_000): RecipientOutcome {
  return { kind: 'deferred', index, problem: problem(), dueAt: NOON + afterMs }
}

export function settlement(
  id: string,
  outcomes: readonly RecipientOutcome[],
  more: Partial<Settlement> = {},
): Settlement {
  return { id, outcomes, enqueue: [], marks: {}, ...more }
}

export async function claimAll(spool: Spool, n = 1): Promise<readonly Claim[]> {
  return await spool.claim(lane(n), { limit: 100, leaseMs: LEASE_MS })
}

export async function claimOne(spool: Spool, n = 1): Promise<Claim> {
  const [claim, ...more] = await claimAll(spool, n)
  if (claim === undefined || more.length > 0) throw new Error(`${more.length + (claim ? 1 : 0)} claims instead of one`)
  return claim
}
