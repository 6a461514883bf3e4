/**
 * The mail exchangers of a relay world: certificates of the lab's authority, addresses of their own in 127/8.
 */
import type { SecureContextOptions, SecureVersion } from 'node:tls'
import { type Authority, createAuthority } from './ca.ts'
import { ScriptedMx, type ScriptedMxOptions } from './scripted-mx.ts'

type HostCertificate = 'trusted' | 'self-signed' | 'expired' | 'wrong-name' | 'common-name-only' | 'old-protocol'

export interface HostOptions extends Omit<ScriptedMxOptions, 'address' | 'port' | 'tls'> {
  /** A certificate of the world's authority for the host's name by default; `none`: STARTTLS is not offered. */
  readonly tls?: HostCertificate | 'none'
  /** In place of a certificate made for it. */
  readonly pair?: { readonly key: string; readonly cert: string }
  /** The one version that it speaks. */
  readonly tlsVersion?: SecureVersion
  /** The name in the certificate; the host's own by default. */
  readonly certificateName?: string
  /** Addresses before the real one on which nobody listens. */
  readonly deadAddresses?: number
}

/** One per test process: making it takes longer than a handshake. */
let authority: Promise<Authority> | undefined

export function labAuthority(): Promise<Authority> {
  authority ??= createAuthority()
  return authority
}

export async function startHost(start: {
  readonly name: string
  readonly host: HostOptions
  readonly address: string
  readonly port: number | undefined
  readonly ca: Authority
}): Promise<ScriptedMx> {
  const { name, address, port, ca } = start
  const { tls = 'trusted', pair, certificateName = name, tlsVersion, deadAddresses: _, ...rest } = start.host
  const certificate = tls === 'none' ? undefined : (pair ?? (await certificateFor(certificateName, tls, ca)))
  const versions = tlsVersion === undefined ? {} : { minVersion: tlsVersion, maxVersion: tlsVersion }
  return ScriptedMx.start({
    ...rest,
    address,
    hostname: name,
    ...(port === undefined ? {} : { port }),
    ...(certificate === undefined ? {} : { tls: { ...certificate, ...versions } }),
  })
}

async function certificateFor(name: string, tls: HostCertificate, ca: Authority): Promise<SecureContextOptions> {
  const dates = tls === 'expired' ? { validFromDays: -30, validToDays: -1 } : {}
  const issuer = tls === 'self-signed' ? await createAuthority() : ca
  const names = tls === 'wrong-name' ? [`other.${name}`] : tls === 'common-name-only' ? [] : [name]
  const { key, chain } = await issuer.issue({ names, commonName: name, ...dates })
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const
  return { key, cert: chain, ...(tls === 'old-protocol' ? old : {}) }
}

/** Addresses that no other test process uses. */
export function addressBlock(): () => string {
  const block = `127.${1 + (Math.floor(process.pid / 250) % 250)}.${process.pid % 250}`
  return () => {
    lastHost = (lastHost % 250) + 1
    return `${block}.${lastHost}`
  }
}

let lastHost = 0
