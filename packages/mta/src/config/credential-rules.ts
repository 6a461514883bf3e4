/** What entries of `[[credential]]` and `[[network_quota]]` need of each other and of other settings. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

export function credentialFindings(settings: ReadableConfig): readonly Finding[] {
  const { credential = [], network_quota: quotas = [] } = settings
  return [
    ...credential.flatMap((_, index) => [
      ...repeatedFindings(credential, index),
      ...priorityFindings(credential, index),
      ...signingFindings(settings, index),
    ]),
    ...quotas.flatMap((_, index) => quotaFindings(quotas, index)),
  ]
}

type Credentials = NonNullable<ReadableConfig['credential']>
type Quotas = NonNullable<ReadableConfig['network_quota']>

function repeatedFindings(credential: Credentials, index: number): readonly Finding[] {
  const username = credential[index]?.username
  const first = credential.findIndex((other) => other.username === username)
  if (username === undefined || first === index) return []
  const path: ConfigPath = ['credential', index, 'username']
  const wrong = `is there twice: "${username}"`
  return [{ path, wrong, remedy: 'remove one, or give it another name', read: [path] }]
}

function priorityFindings(credential: Credentials, index: number): readonly Finding[] {
  const { priority = 0, max_priority: max } = credential[index] ?? {}
  if (max === undefined || max >= priority) return []
  const path: ConfigPath = ['credential', index, 'max_priority']
  const remedy = `write at least ${priority}, or remove it`
  return [{ path, wrong: 'is below priority', remedy, read: [path, ['credential', index, 'priority']] }]
}

function signingFindings({ credential = [], dkim = [] }: ReadableConfig, index: number): readonly Finding[] {
  const domain = credential[index]?.dkim_domain
  if (domain === undefined) return []
  const signs = dkim.some((key) => {
    const below = (key.subdomains ?? true) && key.domain !== undefined && domain.endsWith(`.${key.domain}`)
    return key.domain === domain || below
  })
  if (signs) return []
  const path: ConfigPath = ['credential', index, 'dkim_domain']
  return [{ path, wrong: `has no key: ${domain}`, remedy: 'write a [[dkim]] table for it', read: [path, ['dkim']] }]
}

function quotaFindings(quotas: Quotas, index: number): readonly Finding[] {
  const { network, message_rate: messages, recipient_rate: recipients } = quotas[index] ?? {}
  const path: ConfigPath = ['network_quota', index, 'network']
  if (network === undefined) return []
  if (quotas.findIndex((other) => other.network === network) !== index) {
    return [{ path, wrong: `is there twice: "${network}"`, remedy: 'remove one', read: [path] }]
  }
  if (messages !== undefined || recipients !== undefined) return []
  const remedy = 'write message_rate or recipient_rate, or remove the table'
  return [{ path, wrong: 'has no rate', remedy, read: [['network_quota', index]] }]
}
