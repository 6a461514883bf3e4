/** What the sessions of one listener share, and the connection under each of them. Types only. */

import type { Quotas } from '../limits/quotas.ts'
import type { BeginSignature } from '../signing/dkim.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { ContentSink, SpoolHealth } from '../spool/spool.ts'
import type { FindSuppressed } from '../suppression/keeper.ts'
import type { AuthenticationRules } from './authentication.ts'
import type { SubmissionEvent } from './events.ts'
import type { AcceptMessage } from './incoming-message.ts'
import type { SubmissionLimits } from './limits.ts'
import type { NetworkQuotaOf } from './mail-quota.ts'
import type { TakesNoMail } from './recipient-check.ts'
import type { Reply } from './replies.ts'

export interface SessionRules extends AuthenticationRules {
  readonly listener: string
  readonly kind: 'submission' | 'relay'
  readonly tls: 'none' | 'starttls' | 'implicit'
  readonly requireAuth: boolean
  readonly isAllowedNetwork: (address: string) => boolean
  /** Connections from there begin with a PROXY header, which says who the client is. */
  readonly isProxy: (address: string) => boolean
  readonly hostname: string
  readonly postmaster: MailAddress
  readonly limits: SubmissionLimits
  /** `requireTls`: only while the whole relay keeps that promise (RFC 8689 §2). */
  readonly advertise: { readonly dsn: boolean; readonly requireTls: boolean; readonly priority: boolean }
  /** May these addresses, sender and recipients, have `TLS-Required: No` (RFC 8689 §8.3)? */
  readonly mayRelaxTls: (addresses: readonly MailAddress[]) => boolean
  /** How much mail may come: 450 when it is too much. */
  readonly quotas: Quotas
  readonly networkQuota: NetworkQuotaOf
  /** Recipients that get no mail; undefined: there are none. */
  readonly suppressed: FindSuppressed | undefined
  /** Of sender and recipient domains (RFC 7505 §4.1); undefined: nobody is asked. */
  readonly takesNoMail: TakesNoMail | undefined
  /** Submission only: a bare LF in content becomes CRLF instead of a refusal (SMUG-07). */
  readonly repairLineEnds: boolean
  /** Submission only: 8-bit bodies become quoted-printable before they are signed (DKIM-10). */
  readonly encodeEightBit: boolean
  /** Undefined: nothing is signed. */
  readonly beginSignature: BeginSignature | undefined
  readonly stage: (id: QueueId) => ContentSink
  readonly accept: AcceptMessage
  readonly spoolHealth: () => Pick<SpoolHealth, 'intake'>
  readonly emit: (event: SubmissionEvent) => void
  /** UTC milliseconds. */
  readonly wallClock: () => number
}

export interface SessionChannel {
  send(reply: Reply): void
  /** No more replies: closes once what was sent is out. */
  end(): void
  /** Called after the 220; `Session.secured` follows when the handshake is done. */
  startTls(): void
  tls(): TlsFacts | undefined
  /** Pending while the client does not read our replies. */
  drained(): Promise<void> | undefined
}

export interface TlsFacts {
  readonly protocol: string
  /** The IANA name of the cipher suite. */
  readonly cipher: string
}

type SessionEvent = Extract<SubmissionEvent, { readonly listener: string; readonly address: string }>
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** An event of a session before the session says which one it is. */
export type OwnEvent = Without<SessionEvent, 'listener' | 'address'>
