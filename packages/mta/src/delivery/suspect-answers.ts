/**
 * What the parent answers a child process that delivers one suspect, from its own ports. The claim stays the parent's:
 * a child that gives it back only says that nothing was tried.
 */
import { type AddressJudgement, invariant } from '@hermetic/policy'
import type { Claim, Content, Settlement, Spool } from '../spool/spool.ts'
import type { DeliveryOptions } from './delivery.ts'
import { type LaneId, laneOf } from './lane.ts'
import { isOurTroubleWithDns } from './outcome.ts'
import { SuspectPermits } from './suspect-permits.ts'
import type { Question } from './suspect-protocol.ts'

export interface SuspectAnswersOptions {
  readonly spool: Pick<Spool, 'renew' | 'settle' | 'open' | 'admin'>
  readonly delivery: DeliveryOptions
}

export class SuspectAnswers {
  readonly permits: SuspectPermits
  readonly #options: SuspectAnswersOptions
  #gaveBack = false
  #delayed = false
  #tried = false

  constructor({ lane }: Pick<Claim, 'lane'>, options: SuspectAnswersOptions) {
    this.#options = options
    this.permits = new SuspectPermits({ permits: options.delivery.permits, lane })
  }

  /** The claim was given back, or was lost on the way: nothing was settled. */
  get triedNobody(): boolean {
    return this.#gaveBack || !(this.#tried || this.#delayed)
  }

  /** What was settled is only that we cannot ask DNS, as its sender was to be told of the delay: nobody was tried. */
  get onlyDelayed(): boolean {
    return this.#delayed && !this.#tried
  }

  async to(question: Question): Promise<unknown> {
    switch (question.name) {
      case 'renew':
      case 'settle':
      case 'release':
      case 'open':
      case 'show':
        return this.#ofSpool(question)
      case 'acquire':
        return this.permits.acquire(question.ask.site)
      case 'pace':
        return this.permits.pace(question.ask.permit, question.ask.ask)
      default:
        return ofDestination(question, this.#options.delivery)
    }
  }

  async #ofSpool({ name, ask }: SpoolQuestion): Promise<unknown> {
    const { spool } = this.#options
    switch (name) {
      case 'renew':
        return spool.renew(ask.tokens, ask.leaseMs)
      case 'settle':
        if (isDelayByDns(ask.settlement)) this.#delayed = true
        else this.#tried = true
        return spool.settle(ask.token, ask.settlement)
      case 'release':
        this.#gaveBack = true
        return null
      case 'open':
        return wholeContent(await spool.open(ask.id))
      case 'show':
        return spool.admin.show(ask.id)
    }
  }
}

/** A settlement without outcomes is of a notification that was made: that is something done. */
function isDelayByDns({ outcomes }: Settlement): boolean {
  if (outcomes.length === 0) return false
  return outcomes.every((outcome) => outcome.kind === 'deferred' && isOurTroubleWithDns(outcome.problem.cause))
}

type SpoolQuestion = Extract<Question, { readonly name: 'renew' | 'settle' | 'release' | 'open' | 'show' }>
type DestinationQuestion = Exclude<Question, SpoolQuestion | { readonly name: 'acquire' | 'pace' }>

async function ofDestination({ name, ask }: DestinationQuestion, delivery: DeliveryOptions): Promise<unknown> {
  switch (name) {
    case 'site':
      return delivery.siteFor?.(ask)
    case 'sign-notice':
      invariant(delivery.signNotice !== undefined, 'a child that was told so asks for signatures')
      return delivery.signNotice(ask.message, ask.signedAt)
    case 'mx':
      return delivery.resolver.mx(ask.name)
    case 'address': {
      const found = await delivery.resolver.address(ask.name, ask.family)
      const addresses = found.kind === 'records' ? found.records : []
      const judge = guardOf(ask.lane, delivery)
      const judged = addresses.map((address) => ({ address, judgement: judge(address) }))
      return { answer: found, judged }
    }
    case 'sts-policy':
      invariant(delivery.sts !== undefined, 'a child that was told so asks for policies')
      return delivery.sts.policyFor(ask.domain, { afresh: ask.afresh })
    case 'dane':
      invariant(delivery.dane !== undefined, 'a child that was told so asks about DANE')
      return delivery.dane.factsFor(ask.question)
    case 'sts-refetch':
      invariant(delivery.sts !== undefined, 'a child that was told so asks for policies')
      return delivery.sts.refetch(ask.domain)
  }
}

export function guardOf(
  id: LaneId,
  { guard, smarthostGuard = guard }: Pick<DeliveryOptions, 'guard' | 'smarthostGuard'>,
): (address: string) => AddressJudgement {
  const { kind, port } = laneOf(id)
  return (address) => (kind === 'route' ? smarthostGuard : guard)(address, port)
}

async function wholeContent(content: Content): Promise<Uint8Array> {
  if (content.kind === 'memory') return content.bytes
  const chunks: Uint8Array[] = []
  for await (const chunk of content.open() as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}
