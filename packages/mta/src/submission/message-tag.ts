/**
 * What the sender wants of TLS for one message, by the MAIL parameter and the header field (RFC 8689 §4.1), and why a
 * field that is there was not followed. Pure.
 */
import { type MessageTls, messageTls } from '@hermetic/policy'
import type { TlsRequiredField } from './tls-required-field.ts'

export interface MessageTag {
  readonly tls: MessageTls
  /** Only for a field that is there and changes nothing. */
  readonly fieldIgnored?: FieldIgnored
}

/** `overruled`: by the parameter; `not-allowed`: for these senders or recipients (RFC 8689 §8.3). */
export type FieldIgnored = 'repeated' | 'another-value' | 'overruled' | 'not-allowed'

export function messageTag(asked: {
  readonly parameter: boolean
  readonly field: TlsRequiredField
  readonly allowed: () => boolean
}): MessageTag {
  const { parameter, field } = asked
  const ignored = ignoredBecause(asked)
  const tls = messageTls({ parameter, tlsRequiredNo: field === 'no' && ignored !== 'not-allowed' })
  return ignored === undefined ? { tls } : { tls, fieldIgnored: ignored }
}

function ignoredBecause({ parameter, field, allowed }: Parameters<typeof messageTag>[0]): FieldIgnored | undefined {
  if (field === 'absent') return undefined
  if (field !== 'no') return field
  if (parameter) return 'overruled'
  return allowed() ? undefined : 'not-allowed'
}
