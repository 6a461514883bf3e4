/**
 * The child process that delivers one suspect: the same turn as everywhere, with every port answered by the parent.
 * An entry point, started by `suspect-retry.ts` only; it ends with its parent.
 */
import { invariant } from '@hermetic/policy'
import { createLocalPermits } from '../limits/adapters/local-permits.ts'
import { ContentUnreadable, StoreUnavailable } from '../spool/spool.ts'
import { createDelivery, type DeliveryOptions } from './delivery.ts'
import type { FromChild, JudgedAddress, QuestionName, Questions, SuspectTask, ToChild } from './suspect-protocol.ts'
import { arrivedRoutes } from './suspect-routes.ts'

const stopping = new AbortController()
const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
let lastSeq = 0

process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToChild) => receive(message))
say({ kind: 'ready' })

function receive(message: ToChild): void {
  switch (message.kind) {
    case 'task':
      void deliver(message.task)
      break
    case 'answer':
      waiting.get(message.seq)?.resolve(message.answer)
      waiting.delete(message.seq)
      break
    case 'refusal':
      waiting.get(message.seq)?.reject(errorOf(message))
      waiting.delete(message.seq)
      break
    case 'stop':
      stopping.abort()
      break
  }
}

async function deliver(task: SuspectTask): Promise<void> {
  const delivery = createDelivery(options(task))
  await delivery.turn(task.claim.lane, {
    slot: 0,
    signal: stopping.signal,
    othersWaiting: () => true,
    wakeAnother: () => undefined,
    progressed: () => undefined,
  })
  await delivery.close()
  say({ kind: 'end' })
}

function options({ claim, leaseLeftMs, demand, sts, dane, signs, settings, ...task }: SuspectTask): DeliveryOptions {
  const { routes, literal, policies } = task
  const { sources, ...plain } = settings
  const judged = new Map<string, JudgedAddress['judgement']>()
  if (literal !== undefined) judged.set(literal.address, literal.judgement)
  const claims = [{ ...claim, leaseUntilMono: performance.now() + leaseLeftMs }]
  return {
    ...plain,
    ...(sources === undefined ? {} : { sources }),
    spool: {
      claim: async () => claims.splice(0),
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
    permits: createLocalPermits(),
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

function say(message: FromChild): void {
  invariant(process.send !== undefined, 'started as a child process')
  process.send(message)
}

function errorOf({ error, detail }: ToChild & { readonly kind: 'refusal' }): Error {
  if (error === 'ContentUnreadable') return new ContentUnreadable(detail)
  return error === 'StoreUnavailable' ? new StoreUnavailable(detail) : new Error(detail)
}
