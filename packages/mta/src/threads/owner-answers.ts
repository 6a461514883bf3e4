/**
 * What the owner answers a thread, from the ports that it alone has. Whatever a thread has claimed or acquired is
 * written down first, so that it can be given back when the thread is gone.
 */
import { invariant } from '@hermetic/policy'
import type { DeliveryOptions } from '../delivery/delivery.ts'
import type { Quotas } from '../limits/quotas.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { wakeReason } from '../schedule/lane-scheduler.ts'
import type { Claim, Spool } from '../spool/spool.ts'
import type { Books } from './books.ts'
import { exactBytes } from './exact-bytes.ts'
import type { SaidByThread, TravellingClaim } from './protocol.ts'
import { HandedOver, type RoomOptions } from './room.ts'

/** The ports of which there is one. */
export interface OwnedPorts {
  readonly spool: Spool
  readonly quotas: Quotas
  readonly delivery: Pick<
    DeliveryOptions,
    'scheduler' | 'permits' | 'resolver' | 'sts' | 'dane' | 'suppressed' | 'reports' | 'leaseMs'
  >
  readonly emit: (event: LogEvent) => void
}

export interface Answering {
  readonly ports: OwnedPorts
  readonly books: Books
  /** These claims ended as they should. */
  readonly done: (claims: readonly Claim[]) => void
  /** The store took no mail. */
  readonly troubled: () => void
  readonly isGone: () => boolean
  readonly callWaiter: (waiter: number) => void
}

/** A permit that is gone paces nothing; its turn ends and asks for another. */
const PERMIT_GONE_MS = 1_000

type ThreadAnswers = RoomOptions<SaidByThread>['answers']

export function ownerAnswers(answering: Answering): ThreadAnswers {
  return { ...spoolAnswers(answering), ...permitAnswers(answering), ...sourceAnswers(answering) }
}

function spoolAnswers({
  ports,
  books,
  done,
  troubled,
  isGone,
}: Answering): Pick<ThreadAnswers, 'accept' | 'claim' | 'renew' | 'settle' | 'release' | 'open' | 'show' | 'quota'> {
  const { spool, delivery, quotas } = ports
  return {
    accept: async ({ message }) => {
      const answer = await spool.accept(message)
      // Here and not there: the thread may be gone before it hears of it.
      if (answer.kind === 'accepted')
        for (const { lane } of message.deliveries)
          delivery.scheduler.wake(lane, undefined, wakeReason(message.envelope.priority))
      if (answer.kind === 'full' || answer.kind === 'unavailable') troubled()
      return answer
    },
    claim: async ({ lane, limit, leaseMs }) => {
      const claims = await spool.claim(lane, { limit, leaseMs })
      if (isGone()) {
        await spool.release(claims.map(({ token }) => token))
        return []
      }
      books.claimed(claims)
      return claims.map(travelling)
    },
    renew: async ({ tokens, leaseMs }) => {
      const ours = await spool.renew(tokens, leaseMs)
      books.ended(tokens.filter((token) => !ours.has(token)))
      return ours
    },
    settle: async ({ token, settlement }) => {
      const outcome = await books.settling(spool.settle(token, settlement))
      if (settlement.keepClaim !== true) done(books.ended([token]))
      return outcome
    },
    release: async ({ tokens }) => {
      done(books.ended(tokens))
      await spool.release(tokens)
      return undefined
    },
    open: async ({ id }) => {
      const content = await spool.open(id)
      if (content.kind === 'file') return { kind: 'file', size: content.size }
      const { bytes, buffer } = exactBytes(content.bytes)
      return new HandedOver({ kind: 'memory', bytes }, [buffer])
    },
    show: ({ id }) => spool.admin.show(id),
    quota: ({ asks }) => quotas.take(asks),
  }
}

function permitAnswers({
  ports: { delivery },
  books,
  isGone,
  callWaiter,
}: Answering): Pick<ThreadAnswers, 'acquire' | 'pace'> {
  return {
    acquire: async ({ site, waiter, lane }) => {
      const onFree =
        waiter === undefined
          ? undefined
          : books.waiter(waiter, () => {
              // Nobody else is called for this permit: the lane asks again, wherever it runs.
              if (isGone() && lane !== undefined) delivery.scheduler.wake(lane)
              else callWaiter(waiter)
            })
      const permit = await delivery.permits.acquire(site, onFree, lane)
      if (permit === undefined) return undefined
      if (waiter !== undefined) books.waitsNoMore(waiter)
      if (isGone()) {
        permit.release('unused')
        return undefined
      }
      return { permit: books.granted(permit) }
    },
    pace: async ({ permit, ask }) => {
      const held = books.permit(permit)
      return held === undefined ? { kind: 'later', retryAfterMs: PERMIT_GONE_MS } : await held.pace(ask)
    },
  }
}

function sourceAnswers({
  ports: { delivery },
}: Answering): Pick<ThreadAnswers, 'mx' | 'address' | 'sts-policy' | 'sts-refetch' | 'dane' | 'suppressed'> {
  const { resolver, sts, dane, suppressed } = delivery
  return {
    mx: ({ name }) => resolver.mx(name),
    address: ({ name, family }) => resolver.address(name, family),
    'sts-policy': async ({ domain, afresh }) => {
      invariant(sts !== undefined, 'a thread that was told so asks for policies')
      return await sts.policyFor(domain, { afresh })
    },
    'sts-refetch': async ({ domain }) => {
      invariant(sts !== undefined, 'a thread that was told so asks for policies')
      return await sts.refetch(domain)
    },
    dane: async ({ question }) => {
      invariant(dane !== undefined, 'a thread that was told so asks about DANE')
      return await dane.factsFor(question)
    },
    suppressed: async ({ addresses }) => (suppressed === undefined ? new Map() : await suppressed(addresses)),
  }
}

function travelling({ leaseUntilMono: _ofThisThread, ...claim }: Claim): TravellingClaim {
  return claim
}
