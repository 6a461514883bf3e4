/**
 * Which quotas a message takes from: those of its login, and those of the network that it comes from. The counting is in
 * `limits/`; all else is pure.
 */
import { isIPv6 } from 'node:net'
import type { QuotaAnswer, QuotaAsk, Quotas } from '../limits/quotas.ts'
import type { Account, MailRates } from './account.ts'
import { addressKey } from './auth-failures.ts'
import { type NetworkList, networkList, parseNetwork, unmapped } from './networks.ts'
import { quotaReply, type Reply, replies } from './replies.ts'

/** One `[[network_quota]]`. */
export interface NetworkQuota {
  readonly network: string
  /** Whether the whole network counts together, or each address in it (each /64) for itself. */
  readonly share: 'network' | 'address'
  readonly rates: MailRates
}

export interface MailQuotaAsk extends QuotaAsk {
  readonly of: 'login' | 'network'
  readonly counts: 'messages' | 'recipients'
}

/** The quota that holds for an address: that of the smallest network which holds it. */
export type NetworkQuotaOf = (address: string) => NetworkQuota | undefined

interface Entry {
  readonly quota: NetworkQuota
  readonly bits: number
  readonly holds: NetworkList
}

export function networkQuotas(quotas: readonly NetworkQuota[]): NetworkQuotaOf {
  const entries = quotas
    .map((quota): Entry => {
      return { quota, bits: parseNetwork(quota.network)?.bits ?? 0, holds: networkList([quota.network]) }
    })
    .sort((left, right) => right.bits - left.bits)
  return (address) => entries.find(({ holds }) => holds(address))?.quota
}

export interface QuotaOwners {
  readonly account: Account | undefined
  readonly address: string
  readonly network: NetworkQuota | undefined
}

/** How many recipients one message may have so that its quotas can ever grant it. */
export function recipientsAtOnce({ account, network }: Omit<QuotaOwners, 'address'>): number {
  return Math.min(
    account?.rates.recipients?.burst ?? Number.POSITIVE_INFINITY,
    network?.rates.recipients?.burst ?? Number.POSITIVE_INFINITY,
  )
}

export function mailQuotaAsks({ account, address, network }: QuotaOwners, recipients: number): readonly MailQuotaAsk[] {
  const asks: MailQuotaAsk[] = []
  const add = (of: MailQuotaAsk['of'], owner: string, rates: MailRates): void => {
    const { messages, recipients: addressees } = rates
    if (messages !== undefined) {
      asks.push({ of, counts: 'messages', key: `messages ${owner}`, rate: messages, amount: 1 })
    }
    if (addressees !== undefined) {
      asks.push({ of, counts: 'recipients', key: `recipients ${owner}`, rate: addressees, amount: recipients })
    }
  }
  if (account !== undefined) add('login', `login ${account.username}`, account.rates)
  if (network !== undefined) add('network', networkOwner(network, address), network.rates)
  return asks
}

export interface QuotaRefusal {
  readonly reply: Reply
  /** What is told; absent: the store of quotas did not answer. */
  readonly of?: {
    readonly event: 'quota-exhausted'
    readonly of: MailQuotaAsk['of']
    readonly counts: MailQuotaAsk['counts']
    readonly retryAfterMs: number
  }
}

export interface QuotaRules {
  readonly quotas: Quotas
  readonly networkQuota: NetworkQuotaOf
}

/** Undefined, at once or later: the message may come. */
export function askQuotas(
  { quotas, networkQuota }: QuotaRules,
  { account, address }: Pick<QuotaOwners, 'account' | 'address'>,
  recipients: number,
): Promise<QuotaRefusal | undefined> | undefined {
  const asks = mailQuotaAsks({ account, address, network: networkQuota(address) }, recipients)
  return asks.length === 0 ? undefined : quotas.take(asks).then((answer) => quotaRefusal(answer, asks))
}

/** Undefined: the message may come. */
function quotaRefusal(answer: QuotaAnswer, asks: readonly MailQuotaAsk[]): QuotaRefusal | undefined {
  if (answer.kind === 'granted') return undefined
  const ask = answer.kind === 'exhausted' ? asks[answer.index] : undefined
  if (answer.kind !== 'exhausted' || ask === undefined) return { reply: replies.quotaUnknown }
  const { of, counts } = ask
  const { retryAfterMs } = answer
  return { reply: quotaReply(ask, retryAfterMs), of: { event: 'quota-exhausted', of, counts, retryAfterMs } }
}

function networkOwner({ share, network }: NetworkQuota, address: string): string {
  const plain = unmapped(address)
  return share === 'network' ? `network ${network}` : isIPv6(plain) ? addressKey(plain) : `address ${plain}`
}
