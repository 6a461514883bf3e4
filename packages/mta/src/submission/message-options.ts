/** What a session knows, in the words of those who judge envelopes and take content. Pure. */
import { newQueueId } from '../spool/queue-id.ts'
import type { Account } from './account.ts'
import { offeredParameters } from './ehlo-keywords.ts'
import type { IncomingOptions } from './incoming-message.ts'
import { recipientsAtOnce } from './mail-quota.ts'
import type { MailTransaction, TransactionRules } from './mail-transaction.ts'
import type { SessionRules, TlsFacts } from './session-rules.ts'

export interface SessionFacts {
  readonly address: string
  readonly account: Account | undefined
  readonly tls: TlsFacts | undefined
  readonly client: { readonly name: string; readonly greeting: 'ehlo' | 'helo' } | undefined
}

export function transactionRules(
  rules: SessionRules,
  { account, address, tls }: Pick<SessionFacts, 'account' | 'address' | 'tls'>,
): TransactionRules {
  const { limits, advertise, hostname, postmaster, spoolHealth, networkQuota } = rules
  return {
    offered: offeredParameters(advertise, { secure: tls !== undefined }),
    account,
    intake: spoolHealth().intake,
    messageBytesMax: limits.messageBytesMax,
    recipientsMax: Math.min(limits.recipientsMax, recipientsAtOnce({ account, network: networkQuota(address) })),
    hostname,
    postmaster,
  }
}

export function messageOptions(
  rules: SessionRules,
  { address, account, tls, client }: SessionFacts,
  transaction: MailTransaction,
): IncomingOptions {
  const { kind, hostname, limits, repairLineEnds, encodeEightBit, mayRelaxTls, beginSignature, wallClock } = rules
  return {
    id: newQueueId(),
    role: kind,
    repairLineEnds: repairLineEnds && kind === 'submission',
    encodeEightBit: encodeEightBit && kind === 'submission',
    transaction,
    origin:
      account === undefined
        ? { kind: 'network', address }
        : { kind: 'credential', username: account.username, address },
    trace: {
      clientName: client?.name ?? '',
      clientAddress: address,
      greeting: client?.greeting ?? 'helo',
      authenticated: account !== undefined,
      hostname,
      ...(tls === undefined ? {} : { tlsCipher: tls.cipher }),
    },
    ...{ limits, mayRelaxTls, receivedAt: wallClock(), beginSignature, account },
  }
}
