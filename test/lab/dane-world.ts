/**
 * A relay world in which every zone is signed and validated, with TLSA records for one mail exchanger:
 *
 *   await using world = await startDaneWorld({ certificate: 'self-signed', tlsa: 'match' })
 *   const id = await world.send('example.test')
 *
 * Zones are data and AD is scripted; signed zones behind a real resolver are in `test/interop`.
 */
import { createHash, X509Certificate } from 'node:crypto'
import type { DeliveryOptions } from '../../packages/mta/src/delivery/delivery.ts'
import { createAuthority, type IssuedCertificate, selfSigned } from './ca.ts'
import type { NameRecords } from './dns-server.ts'
import { type PolicyOptions, StsWorld, type StsWorldOptions } from './sts-world.ts'
import { type HostOptions, labAuthority } from './world-host.ts'

export const DOMAIN = 'example.test'
export const MX = 'mx.example.test'

export interface DaneWorldOptions {
  /** `self-signed`: PKIX does not hold. The others are issued by an authority of their own, which is sent along. */
  readonly certificate?:
    | 'trusted'
    | 'self-signed'
    | 'self-signed-other-name'
    | 'ta-good'
    | 'ta-expired'
    | 'ta-not-yet-valid'
    | 'ta-other-name'
  /** The record published: of the certificate or of its authority, of another one, or one that nobody can use. */
  readonly tlsa?: 'match' | 'other' | 'unusable' | 'none' | 'unsigned' | 'fails'
  readonly insecureMx?: boolean
  /** In place of the default. */
  readonly insecureMxOption?: 'use' | 'ignore'
  readonly policy?: PolicyOptions | undefined
  readonly host?: HostOptions
  readonly delivery?: Partial<DeliveryOptions>
  /** Other hosts and domains, and other records of these. */
  readonly others?: Pick<StsWorldOptions, 'hosts' | 'deadHosts' | 'mx' | 'records' | 'dnsTimeoutMs' | 'crashedWith'>
}

export async function startDaneWorld(options: DaneWorldOptions): Promise<StsWorld> {
  const { certificate = 'trusted', tlsa = 'match', policy, host = {}, others = {}, delivery = {} } = options
  const pair = await certificatePair(certificate)
  const world = await StsWorld.start({
    ...others,
    hosts: {
      [MX]: host.tls === undefined ? { pair: { key: pair.leaf.key, cert: pair.sent }, ...host } : host,
      ...others.hosts,
    },
    mx: { [DOMAIN]: [[10, MX]], ...others.mx },
    dnssec: options.insecureMxOption === undefined ? {} : { insecureMx: options.insecureMxOption },
    delivery,
    ...(policy === undefined ? {} : { policies: { [DOMAIN]: policy } }),
  })
  const owner = tlsaOwner(world, MX)
  if (tlsa === 'fails') world.relay.dns.fail(owner, { kind: 'rcode', rcode: 'SERVFAIL' })
  else if (tlsa !== 'none') world.serve({ [owner]: await tlsaRecords(tlsa, pair) })
  if (options.insecureMx) world.serve({ [DOMAIN]: { ...world.relay.records[DOMAIN], secure: false } })
  return world
}

/** `_25._tcp.mx.example.test`, with the port of this world. */
export function tlsaOwner({ relay: { port } }: StsWorld, host: string): string {
  return `_${port}._tcp.${host}`
}

interface Pair {
  readonly leaf: IssuedCertificate
  /** PEM, as sent. */
  readonly sent: string
  /** Of the authority that is sent with the leaf; absent: the leaf stands for itself. */
  readonly anchor?: string
}

const DATES = {
  'ta-expired': { validFromDays: -30, validToDays: -1 },
  'ta-not-yet-valid': { validFromDays: 1, validToDays: 30 },
  'ta-good': {},
  'ta-other-name': {},
} as const

async function certificatePair(kind: NonNullable<DaneWorldOptions['certificate']>): Promise<Pair> {
  if (kind === 'trusted') {
    const leaf = await (await labAuthority()).issue({ names: [MX] })
    return { leaf, sent: leaf.chain }
  }
  if (kind === 'self-signed' || kind === 'self-signed-other-name') {
    const leaf = await selfSigned({ names: [kind === 'self-signed' ? MX : 'other.example.org'] })
    return { leaf, sent: leaf.certificate }
  }
  const authority = await createAuthority()
  const names = kind === 'ta-other-name' ? ['other.example.org'] : [MX]
  const leaf = await authority.issue({ names, ...DATES[kind] })
  return { leaf, sent: `${leaf.certificate}${authority.certificate}`, anchor: authority.certificate }
}

async function tlsaRecords(tlsa: 'match' | 'other' | 'unusable' | 'unsigned', pair: Pair): Promise<NameRecords> {
  const { anchor, leaf } = pair
  if (tlsa === 'unusable') return { TLSA: [{ ...tlsaOf(leaf.certificate, 3), usage: 1 }] }
  if (tlsa === 'other') return { TLSA: [tlsaOf((await selfSigned({ names: [MX] })).certificate, 3)] }
  const record = anchor === undefined ? tlsaOf(leaf.certificate, 3) : tlsaOf(anchor, 2)
  return { TLSA: [record], ...(tlsa === 'unsigned' ? { secure: false } : {}) }
}

/** `3 1 1` or `2 1 1` of a certificate. */
export function tlsaOf(pem: string, usage: 2 | 3) {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
  const digest = createHash('sha256').update(key).digest()
  return { usage, selector: 1, matchingType: 1, data: new Uint8Array(digest) } as const
}
