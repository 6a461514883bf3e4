/** The `[[credential]]` and `[[network_quota]]` tables in the words of the submission room. Pure. */
import type { Config } from '../config/schema.ts'
import { formatRate } from '../limits/rate-text.ts'
import type { CredentialRecord } from '../submission/credential-file.ts'
import type { NetworkQuota } from '../submission/mail-quota.ts'

export function configuredCredentials({ credential }: Pick<Config, 'credential'>): readonly CredentialRecord[] {
  return credential.map(recordOf)
}

function recordOf(written: Config['credential'][number]): CredentialRecord {
  const { username, secret_hash: secretHash, allowed_senders: allowedSenders, check_from: checkFrom } = written
  const { tag, dkim_domain: dkimDomain, priority, max_priority: maxPriority } = written
  const { message_rate: messages, recipient_rate: recipients } = written
  return {
    ...{ username, secretHash: secretHash.reveal(), checkFrom, priority },
    ...(allowedSenders.length === 0 ? {} : { allowedSenders }),
    ...(tag === undefined ? {} : { tag }),
    ...(dkimDomain === undefined ? {} : { dkimDomain }),
    ...(maxPriority === undefined ? {} : { maxPriority }),
    ...(messages === undefined ? {} : { messageRate: formatRate(messages) }),
    ...(recipients === undefined ? {} : { recipientRate: formatRate(recipients) }),
  }
}

export function configuredNetworkQuotas({
  network_quota: quotas,
}: Pick<Config, 'network_quota'>): readonly NetworkQuota[] {
  return quotas.map(({ network, share, message_rate: messages, recipient_rate: recipients }) => {
    const rates = {
      ...(messages === undefined ? {} : { messages }),
      ...(recipients === undefined ? {} : { recipients }),
    }
    return { network, share, rates }
  })
}
