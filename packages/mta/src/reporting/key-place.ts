/** Which key of its own `[tlsrpt]` names for signing report mails (RFC 8460 §3), and where it lies. Pure. */
import type { DomainName } from '@hermetic/policy'
import { keyFilePath } from '../signing/key-files.ts'
import type { MailAddress } from '../smtp/mail-address.ts'

export interface KeyPlace {
  readonly domain: DomainName
  readonly selector: string
  readonly path: string
}

export interface KeySettings {
  readonly data_dir: string
  readonly tlsrpt: {
    readonly enabled: boolean
    readonly contact?: MailAddress | undefined
    readonly selector?: string | undefined
    readonly key_file?: string | undefined
  }
}

/** Undefined: reports are off, or have no key of their own. */
export function tlsrptKeyPlace({ data_dir, tlsrpt }: KeySettings): KeyPlace | undefined {
  const { enabled, contact, selector, key_file: file } = tlsrpt
  if (!enabled || contact?.domain.kind !== 'name' || selector === undefined) return undefined
  const domain = contact.domain.name
  return { domain, selector, path: file ?? keyFilePath(data_dir, domain, selector) }
}
