/**
 * The child process that delivers one suspect: the same turn as everywhere, with every port answered by the parent.
 * An entry point, started by `suspect-retry.ts` only; it ends with its parent.
 */
import type { Permit, Permits, SiteId } from '../limits/permits.ts'
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import { type Claim, ContentUnreadable, StoreUnavailable } from '../spool/spool.ts'
import { createDelivery, type DeliveryOptions } from './delivery.ts'
import type { FromChild, JudgedAddress, QuestionName, Questions, SuspectTask, ToChild } from './suspect-protocol.ts'
import { arrivedRoutes } from './suspect-routes.ts'

const stopping = new AbortController()
const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
/** What the parent said no with: trouble of the relay, which must not look like a death of the message's making. */
const refusals = new WeakSet<object>()
let lastSeq = 0

process.on('disconnect', goWithParent)
process.on('message', (message: ToChild) => receive(message))
say({ kind: 'ready' })

function receive(message: ToChild): void {
  switch (message.kind) {
    case 'task':
      void unlessUnanswered(message.task)
      break
    case 'no-task':
      say({ kind: 'unanswered' })
      break
    case 'answer':
      waiting.get(message.seq)?.resolve(message.answer)
      waiting.delete(message.seq)
      break
    case 'refusal':
      waiting.get(message.seq)?.reject(refusalOf(message))
      waiting.delete(message.seq)
      break
    case 'stop':
      stopping.abort()
      break
  }
}

/** A defect of ours still ends this process, and is charged to the message. */
async function unlessUnanswered(task: SuspectTask): Promise<void> {
  try {
    await deliver(task)
  } catch (error) {
    if (!(error instanceof Error) || !refusals.has(error)) throw error
    say({
      kind: 'event',
      event: { event: 'delivery-defect', lane: task.claim.lane, detail: error.message, messages: 1 },
    })
    say({ kind: 'unanswered' })
  }
}

async function deliver(task: SuspectTask): Promise<void> {
  const untaken = [{ ...task.claim, leaseUntilMono: performance.now() + task.leaseLeftMs }]
  const delivery = createDelivery(options(task, untaken))
  const end = await delivery.turn(task.claim.lane, {
    slot: 0,
    signal: stopping.signal,
    yielding: new AbortController().signal,
    othersWaiting: () => true,
    wakeAnother: () => undefined,
    heard: () => undefined,
    progressed: () => undefined,
  })
  await delivery.close()
  if (untaken.length > 0) await ask('release', { tokens: untaken.map(({ token }) => token) })
  say({ kind: 'end', retryAfterMs: retryAfterMs(end) })
}

function retryAfterMs(end: TurnEnd): number {
  if (end.kind === 'backoff') return Math.max(0, end.until - Date.now())
  return end.kind === 'parked' ? end.retryAfterMs : 0
}

function options(
  { claim, demand, sts, dane, signs, settings, ...task }: SuspectTask,
  untaken: Claim[],
): DeliveryOptions {
  const { routes, literal, policies } = task
  const { sources, ...plain } = settings
  const judged = new Map<string, JudgedAddress['judgement']>()
  if (literal !== undefined) judged.set(literal.address, literal.judgement)
  return {
    ...plain,
    ...(sources === undefined ? {} : { sources }),
    spool: {
      claim: async () => untaken.splice(0),
      renew: (tokens, leaseMs) => ask('renew', { tokens, leaseMs }),
      settle: (token, settlement) => ask('settle', { token, settlement }),
      release: async (tokens) => void (await ask('release', { tokens })),
      open: async (id) => {
        const bytes = await ask('open', { id })
        return { kind: 'memory', size: bytes.length, bytes }
      },
      admin: { show: (id) => ask('show', { id }) },
    },
    scheduler: { wake: (lane, dueAt) => say({ kind: 'wake', lane, dueAt }) },
    permits: ASKED_PERMITS,
    siteFor: (nextHop) => ask('site', nextHop),
    resolver: {
      mx: (name) => ask('mx', { name }),
      address: async (name, family) => {
        const found = await ask('address', { name, family, lane: claim.lane })
        for (const { address, judgement } of found.judged) judged.set(address, judgement)
        return found.answer
      },
    },
    guard: (address) => judged.get(address) ?? { kind: 'refused', reason: 'not-an-address' },
    demandFor: () => demand,
    routes: arrivedRoutes(routes),
    ...(sts ? { sts: ASKED_SOURCE } : {}),
    ...(dane ? { dane: { factsFor: (question) => ask('dane', { question }) } } : {}),
    ...(signs ? { signNotice: (message, signedAt) => ask('sign-notice', { message, signedAt }) } : {}),
    ...{ ...policies, preload: () => policies.preload },
    emit: (event) => say({ kind: 'event', event }),
    reports: {
      session: (seen) => say({ kind: 'session', seen }),
      failedFetch: (failure) => say({ kind: 'failed-fetch', failure }),
    },
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
  }
}

const ASKED_SOURCE: NonNullable<DeliveryOptions['sts']> = {
  policyFor: (domain, { afresh = false } = {}) => ask('sts-policy', { domain, afresh }),
  refetch: (domain) => ask('sts-refetch', { domain }),
}

/** Its own connections count as those of the relay do: the parent holds the permit, and may lose it. */
const ASKED_PERMITS: Permits = {
  acquire: async (site) => {
    const permit = await ask('acquire', { site })
    return permit === undefined ? undefined : heldByParent(site, permit)
  },
}

/** The turn paces each transaction, and hears then whether the permit still stands. */
function heldByParent(site: SiteId, permit: number): Permit {
  let held = true
  return {
    site,
    isHeld: () => held,
    pace: async (asked) => {
      const pace = await ask('pace', { permit, ask: asked })
      held &&= pace !== undefined
      return pace ?? { kind: 'later', retryAfterMs: 0 }
    },
    answered: () => say({ kind: 'permit-answered', permit }),
    release: (feedback) => {
      if (held) say({ kind: 'release-permit', permit, feedback })
      held = false
    },
  }
}

function ask<N extends QuestionName>(name: N, asked: Questions[N]['ask']): Promise<Questions[N]['answer']> {
  lastSeq += 1
  const seq = lastSeq
  return new Promise((resolve, reject) => {
    // The parent answers a question with what `Questions` promises for its name.
    waiting.set(seq, { resolve: (answer) => resolve(answer as Questions[N]['answer']), reject })
    say({
      kind: 'question',
      seq,
      question: { name, ask: asked } as Extract<FromChild, { kind: 'question' }>['question'],
    })
  })
}

/** A parent that died before it hung up is found out by what it does not take: that is no defect of ours to print. */
function say(message: FromChild): void {
  if (process.send === undefined || !process.connected) goWithParent()
  else
    process.send(message, undefined, undefined, (error) => {
      if (error instanceof Error) goWithParent()
    })
}

/** Nobody takes what is settled here: the claim's lease ends, and another process has the message. */
function goWithParent(): void {
  process.exit(0)
}

function refusalOf(message: ToChild & { readonly kind: 'refusal' }): Error {
  const refusal = errorOf(message)
  refusals.add(refusal)
  return refusal
}

function errorOf({ error, detail }: ToChild & { readonly kind: 'refusal' }): Error {
  if (error === 'ContentUnreadable') return new ContentUnreadable(detail)
  return error === 'StoreUnavailable' ? new StoreUnavailable(detail) : new Error(detail)
}
