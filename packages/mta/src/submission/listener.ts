/**
 * Opens one listener: where it listens, who may relay there, which TLS it speaks. `main.ts` calls this for each
 * `[[listener]]`; nothing in here knows the settings file.
 */

import { createLocalQuotas } from '../limits/adapters/local-quotas.ts'
import type { Quotas } from '../limits/quotas.ts'
import type { BeginSignature } from '../signing/dkim.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import { AuthFailures } from './auth-failures.ts'
import type { NetworkQuotaOf } from './mail-quota.ts'
import { networkList } from './networks.ts'
import { type CertificatePem, SubmissionServer } from './server.ts'
import type { SessionRules } from './session-rules.ts'

export type { CertificatePem } from './server.ts'

export interface ListenerOptions {
  /** For log lines and metrics, e.g. `submission:587`. */
  readonly name: string
  /** `submission` repairs headers and wants accounts (RFC 6409); `relay` changes nothing but its trace field. */
  readonly kind: 'submission' | 'relay'
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  readonly tls: 'none' | 'starttls' | 'implicit'
  /** Read at the start and at each `reloadCertificate`; needed unless `tls` is `none`. */
  readonly certificate?: () => CertificatePem
  readonly requireAuth: boolean
  /** Networks whose clients may relay without an account, where `requireAuth` is off. */
  readonly allowNetworks: readonly string[]
  /** Networks of proxies that speak the PROXY protocol, and whose word counts. */
  readonly proxyNetworks?: readonly string[]
  /** `submission` only; off: content with a bare LF is refused (SMUG-07). */
  readonly repairLineEnds?: boolean
  readonly encodeEightBit?: boolean
  /** Several threads listen on one port. */
  readonly reusePort?: boolean
}

export interface ListenerParts
  extends Pick<SessionRules, 'hostname' | 'limits' | 'credentials' | 'stage' | 'accept' | 'spoolHealth' | 'emit'> {
  readonly listener: ListenerOptions
  readonly postmaster: MailAddress
  /** Shared by all listeners of the process. */
  readonly authFailures?: AuthFailures
  /** Nothing by default. */
  readonly advertise?: Partial<SessionRules['advertise']>
  /** Nothing is signed by default. */
  readonly beginSignature?: BeginSignature | undefined
  /** Everybody by default. */
  readonly mayRelaxTls?: SessionRules['mayRelaxTls']
  /** Needed where logins or networks have quotas. */
  readonly quotas?: Quotas
  readonly networkQuota?: NetworkQuotaOf
  readonly suppressed?: SessionRules['suppressed']
  readonly takesNoMail?: SessionRules['takesNoMail']
  readonly now?: () => number
  readonly wallClock?: () => number
  readonly sweepMs?: number
}

export interface Listener {
  readonly address: string
  readonly port: number
  /** Sessions, handshakes included. */
  readonly sessions: () => number
  /** Looks at the time limits now; they are looked at every second anyway. */
  readonly sweep: () => void
  readonly reloadCertificate: () => void
  /** For the sessions that begin from now on; the socket stays as it is. */
  readonly use: (parts: ListenerParts, certificate: CertificatePem | undefined) => void
  /** New sessions are answered 421 until `resume`; of those that are open, each ends when its message is stored. */
  readonly drain: () => void
  readonly resume: () => void
  /** No new sessions; messages under way get this long to be stored and answered. */
  readonly close: (graceMs: number) => Promise<void>
}

const SWEEP_MS = 1000
/** Connections waiting to be accepted: bursts of one-message clients. The kernel caps it at somaxconn. */
const BACKLOG = 1024

/** Rejects with the system's error when the address cannot be bound. */
export async function startListener(parts: ListenerParts): Promise<Listener> {
  const { listener, sweepMs = SWEEP_MS } = parts
  const certificate = listener.tls === 'none' ? undefined : listener.certificate?.()
  const server = new SubmissionServer({ rules: sessionRules(parts), certificate, sweepMs })
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    const { address: host, port, reusePort = false } = listener
    server.server.listen({ host, port, reusePort, backlog: BACKLOG }, () => {
      server.server.removeListener('error', reject)
      resolve()
    })
  })
  const bound = server.server.address()
  const { address, port } = bound === null || typeof bound === 'string' ? listener : bound
  parts.emit({ event: 'listening', listener: listener.name, address, port })
  return {
    address,
    port,
    sessions: () => server.sessions,
    sweep: () => server.sweep(),
    reloadCertificate: () => {
      if (listener.certificate !== undefined && listener.tls !== 'none')
        server.updateSecureContext({ ...listener.certificate() })
    },
    drain: () => server.drain(),
    resume: () => server.resume(),
    use: (next, pem) => {
      if (pem !== undefined && listener.tls !== 'none') server.updateSecureContext({ ...pem })
      server.useRules(sessionRules(next))
    },
    close: (graceMs) => server.shutDown(graceMs),
  }
}

function sessionRules(parts: ListenerParts): SessionRules {
  const { listener, authFailures = new AuthFailures(), mayRelaxTls = () => true } = parts
  const advertise = { dsn: false, requireTls: false, priority: false, ...parts.advertise }
  const { now = () => performance.now(), wallClock = () => Date.now() } = parts
  const { hostname, limits, credentials, stage, accept, spoolHealth, emit, postmaster } = parts
  return {
    listener: listener.name,
    kind: listener.kind,
    tls: listener.tls,
    requireAuth: listener.requireAuth,
    repairLineEnds: listener.repairLineEnds ?? false,
    encodeEightBit: listener.encodeEightBit ?? false,
    isAllowedNetwork: networkList(listener.allowNetworks),
    isProxy: networkList(listener.proxyNetworks ?? []),
    ...{ hostname, postmaster, limits, advertise, mayRelaxTls, credentials, authFailures },
    ...{ stage, accept, spoolHealth, emit, now, wallClock },
    beginSignature: parts.beginSignature,
    quotas: parts.quotas ?? createLocalQuotas({ monotonic: now }),
    suppressed: parts.suppressed,
    takesNoMail: parts.takesNoMail,
    networkQuota: parts.networkQuota ?? (() => undefined),
  }
}
