/**
 * Mail through a spool, as the relay moves it, with every fact told the moment it becomes one: accepted, sent,
 * settled. What becomes of a message follows from its id, so that another run of the program continues the same
 * story. `spool-ledger.ts` judges the telling.
 */
import { createHash } from 'node:crypto'
import { laneId } from '../../packages/mta/src/delivery/lane.ts'
import type { DeliveryProblem, RecipientOutcome } from '../../packages/mta/src/delivery/outcome.ts'
import { parseLiteral } from '../../packages/mta/src/smtp/mail-address.ts'
import { newQueueId, parseQueueId, type QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { type Claim, type NewMessage, type Spool, StoreUnavailable } from '../../packages/mta/src/spool/spool.ts'

export type Fact = 'accepted' | 'refused' | 'claimed' | 'sent' | 'settled' | 'damaged'
export type Tell = (fact: Fact, id: QueueId) => void

const literal = parseLiteral('[192.0.2.1]')
if (literal === undefined) throw new Error('the address of the tests is one')
const LANE = laneId({ kind: 'mx', nextHop: literal, port: 25 })
const ADDRESS = { localPart: 'r', domain: literal }
const LARGE_BYTES = 280 * 1024
const SMALL_BYTES = 3000
const PAUSE_MS = 2

/** One in ten is refused by the remote host and bounces, one in ten is deferred once, one in eight is large. */
export function fateOf(id: QueueId): 'delivered' | 'deferred-once' | 'bounced' {
  const roll = digest(id).readUInt8(0) % 10
  if (roll === 0) return 'bounced'
  return roll === 1 ? 'deferred-once' : 'delivered'
}

/** The notice of a bounced message always has the same id, so that no second one can exist. */
export function noticeId(id: QueueId): QueueId {
  const hex = createHash('sha256').update(`notice ${id}`).digest('hex')
  const parsed = parseQueueId([8, 12, 16, 20, 32].map((end, n) => hex.slice([0, 8, 12, 16, 20][n], end)).join('-'))
  if (parsed === undefined) throw new Error('a digest makes a queue id')
  return parsed
}

/** Accepts `count` messages from several clients at once; a refused one comes again under a new id, as clients do. */
export async function submitLoad(spool: Spool, tell: Tell, options: { count: number; clients: number }): Promise<void> {
  let left = options.count
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const message = await newMessage(spool)
      const outcome = message === undefined ? { kind: 'unavailable' } : await spool.accept(message)
      if (message !== undefined) tell(outcome.kind === 'accepted' ? 'accepted' : 'refused', message.id)
      if (outcome.kind === 'accepted') continue
      left += 1
      await pause()
    }
  }
  await Promise.all(Array.from({ length: options.clients }, client))
}

/** Delivers until `done` says so and the lane is empty. */
export async function deliverLoad(
  spool: Spool,
  tell: Tell,
  options: { done(): boolean; workers: number; leaseMs?: number },
): Promise<void> {
  const worker = async (): Promise<void> => {
    for (;;) {
      const claims = await spool.claim(LANE, { limit: 8, leaseMs: options.leaseMs ?? 60_000 })
      if (claims.length === 0 && options.done() && (await isEmpty(spool))) return
      if (claims.length === 0) await pause()
      await Promise.all(claims.map((claim) => deliver(spool, tell, claim)))
    }
  }
  await Promise.all(Array.from({ length: options.workers }, worker))
}

async function deliver(spool: Spool, tell: Tell, claim: Claim): Promise<void> {
  tell('claimed', claim.id)
  const outcome = outcomeOf(claim)
  if (outcome.kind === 'delivered') {
    const content = await contentState(spool, claim.id)
    // A store that fails is no statement about the content: given back, tried again.
    if (content === 'unavailable') return await spool.release([claim.token]).catch(() => undefined)
    if (content === 'gone') return
    if (content === 'damaged') tell('damaged', claim.id)
    tell('sent', claim.id)
  }
  const enqueue = outcome.kind === 'failed' ? [notice(claim.id)] : []
  for (;;) {
    try {
      await spool.settle(claim.token, { id: `${claim.token}/1`, outcomes: [outcome], enqueue, marks: {} })
      if (outcome.kind !== 'deferred') tell('settled', claim.id)
      return
    } catch {
      // Kept in memory by the spool; asked again until it is somewhere durable.
      await pause()
    }
  }
}

function outcomeOf(claim: Claim): RecipientOutcome {
  const isNotice = claim.envelope.reversePath === 'nullReversePath'
  const fate = isNotice ? 'delivered' : fateOf(claim.id)
  if (fate === 'deferred-once' && claim.attempts === 0) {
    return { kind: 'deferred', index: 0, problem: problem('transient'), dueAt: Date.now() }
  }
  if (fate === 'bounced') return { kind: 'failed', index: 0, problem: problem('permanent') }
  const remote = { mxHostname: 'mx.example.com', address: '192.0.2.1', port: 25 }
  return { kind: 'delivered', index: 0, reply: { code: 250, lines: ['ok'] }, remote }
}

async function newMessage(spool: Spool): Promise<NewMessage | undefined> {
  const id = newQueueId()
  const sink = spool.stage(id)
  try {
    await sink.write(contentOf(id))
    return message(id, { content: await sink.finish(), own: false })
  } catch {
    await sink.discard().catch(() => undefined)
    return undefined
  }
}

function notice(id: QueueId): NewMessage {
  const own = noticeId(id)
  return message(own, { content: { kind: 'memory', bytes: contentOf(own) }, own: true })
}

function message(id: QueueId, { content, own }: { content: NewMessage['content']; own: boolean }): NewMessage {
  return {
    id,
    envelope: {
      reversePath: own ? 'nullReversePath' : ADDRESS,
      body: '7bit',
      smtpUtf8: false,
      tls: 'default',
      dsn: {},
      size: SMALL_BYTES,
      origin: own ? { kind: 'local', purpose: 'dsn' } : { kind: 'network', address: '127.0.0.1' },
    },
    recipients: [{ index: 0, address: ADDRESS }],
    deliveries: [{ lane: LANE, recipients: [0] }],
    receivedAt: Date.now(),
    expiresAt: Date.now() + 1e9,
    content,
  }
}

/** Made from the id, so that any run can tell whether the content is whole. */
function contentOf(id: QueueId): Buffer {
  const large = digest(id).readUInt8(1) % 8 === 0
  return Buffer.alloc(large ? LARGE_BYTES : SMALL_BYTES, `${id}\r\n`)
}

async function contentState(spool: Spool, id: QueueId): Promise<'whole' | 'damaged' | 'gone' | 'unavailable'> {
  const content = await readState(spool, id)
  if (content !== 'damaged') return content
  // Whoever stood still beyond the lease may find that another process has delivered the message meanwhile.
  const entry = await spool.admin.show(id).catch(() => 'unavailable' as const)
  return entry === undefined ? 'gone' : entry === 'unavailable' ? entry : 'damaged'
}

async function readState(spool: Spool, id: QueueId): Promise<'whole' | 'damaged' | 'unavailable'> {
  try {
    const content = await spool.open(id)
    const bytes = content.kind === 'memory' ? content.bytes : Buffer.concat(await content.open().toArray())
    return contentOf(id).equals(bytes) ? 'whole' : 'damaged'
  } catch (error) {
    return error instanceof StoreUnavailable ? 'unavailable' : 'damaged'
  }
}

async function isEmpty(spool: Spool): Promise<boolean> {
  try {
    return spool.health().claims === 'open' && (await spool.admin.summary()).messages === 0
  } catch {
    return false
  }
}

function problem(permanence: DeliveryProblem['permanence']): DeliveryProblem {
  const status = permanence === 'permanent' ? '5.1.1' : '4.4.1'
  return { cause: { kind: 'stopped' }, status, permanence, fault: 'destination', scope: 'recipient', at: Date.now() }
}

function digest(id: QueueId): Buffer {
  return createHash('sha256').update(id).digest()
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
